"""What a pipeline is made of, and in which order."""

from __future__ import annotations

from collections.abc import Iterator

from bspump.abc.processor import Generator, ProcessorBase

from .chain import ends_depth


class Structure:
    """The processors of a pipeline from the first to the sink.

    A *depth* is a run of them that ends where an event may become several or has to wait: behind
    a generator or an asynchronous processor the next one begins.
    """

    def __init__(self) -> None:
        self._parts: list[ProcessorBase] = []

    def __iter__(self) -> Iterator[ProcessorBase]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def depths(self) -> list[list[ProcessorBase]]:
        """Return the processors depth by depth, and tell generators where they stand."""
        depths: list[list[ProcessorBase]] = [[]]
        for part in self._parts:
            depths[-1].append(part)
            if isinstance(part, Generator):
                part.set_depth(len(depths) - 1)
            if ends_depth(part):
                depths.append([])
        return depths

    def append(self, part: ProcessorBase) -> None:
        """Put a part at the end."""
        self._parts.append(part)

    def insert(self, id: str, part: ProcessorBase, *, after: bool) -> bool:
        """Put a part before or after the one of that Id; False if there is none."""
        found = self._index(id)
        if found is None:
            return False
        self._parts.insert(found + after, part)
        return True

    def remove(self, id: str) -> ProcessorBase:
        """Take out and return the part of that Id. Raises KeyError if there is none."""
        found = self._index(id)
        if found is None:
            raise KeyError(id)
        return self._parts.pop(found)

    def find(self, id: str) -> ProcessorBase | None:
        """Return the first part of that Id, or `None`."""
        found = self._index(id)
        return None if found is None else self._parts[found]

    def _index(self, id: str) -> int | None:
        return next((i for i, part in enumerate(self._parts) if part.Id == id), None)
