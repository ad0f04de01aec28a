"""The contract of stores for keyed state, and the one that keeps it in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import UnknownNameError

if TYPE_CHECKING:
    from .component import Component

Record = list[Any]
"""What is kept of a key: `[state, last_ms, timers]`, plain data."""


class Changes(NamedTuple):
    """What has changed since the last call, as a `Snapshot` has it.

    Args:
        changed: records by key.
        removed: keys.
        note: where else the rest is, as plain data; comes back by `load`.
    """

    changed: Mapping[Any, Record]
    removed: Collection[Any]
    note: Any = None


class KeyedStore(ABC):
    """Keeps the records of the keys of one processor. It never waits.

    A record that `get` returned may be changed until the next call of the store, if `put` has
    been called before: so that nothing is lost where the change fails half-way.
    """

    @abstractmethod
    def get(self, key: Any, /) -> Record | None:
        """Return the record of a key."""

    @abstractmethod
    def put(self, key: Any, record: Record, /) -> None:
        """Keep a record that is new, or is about to change."""

    @abstractmethod
    def remove(self, key: Any, /) -> None:
        """Forget a key; an unknown one is ignored."""

    @abstractmethod
    def items(self) -> Iterator[tuple[Any, Record]]:
        """Iterate over all keys and their records; nothing may be changed meanwhile."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many keys there are, at least roughly."""

    @abstractmethod
    def changes(self) -> Changes:
        """Return what has changed since the last call.

        What earlier calls have returned is never lost, but maybe it does not become durable
        before the next one. Where nothing has changed, the note is the one before.
        """

    @abstractmethod
    def load(self, keyed: dict[Any, Record], note: Any, /) -> None:
        """Be as it was when what was returned by `changes` was put together."""

    def close(self) -> None:  # noqa: B027 - most have nothing to release
        """Release what it has; called when the program ends. Twice is fine."""


class MemoryKeyedStore(KeyedStore):
    """Keeps records in a dict.

    Args:
        is_kept: somebody calls `changes` from time to time.
    """

    def __init__(self, *, is_kept: bool = True) -> None:
        self._records: dict[Any, Record] = {}
        self._changed: set[Any] = set()
        self._removed: set[Any] = set()
        self._note_change: Callable[[Any], None] = self._changed.add if is_kept else _nothing
        self._is_kept = is_kept
        self.get = self._records.get  # type: ignore[method-assign]

    def get(self, key: Any, /) -> Record | None:
        return self._records.get(key)

    def put(self, key: Any, record: Record, /) -> None:
        self._records[key] = record
        self._note_change(key)

    def remove(self, key: Any, /) -> None:
        if self._records.pop(key, None) is not None and self._is_kept:
            self._changed.discard(key)
            self._removed.add(key)

    def items(self) -> Iterator[tuple[Any, Record]]:
        return iter(self._records.items())

    def __len__(self) -> int:
        return len(self._records)

    def changes(self) -> Changes:
        records, removed = self._records, self._removed
        found = Changes({key: records[key] for key in self._changed}, removed - self._changed)
        self._changed, self._removed = set(), set()
        self._note_change = self._changed.add if self._is_kept else _nothing
        return found

    def load(self, keyed: dict[Any, Record], note: Any, /) -> None:
        self._records.update(keyed)


def _nothing(_key: Any) -> None:
    """Take no note: nobody asks for changes."""


KeyedStoreFactory = Callable[["Component"], KeyedStore]

KEYED_STORES: dict[str, KeyedStoreFactory] = {
    "memory": lambda part: MemoryKeyedStore(is_kept=part.Pipeline.is_durable()),
}
"""By name what makes a store for a part; `register_keyed_store` adds to it."""


def register_keyed_store(name: str, factory: KeyedStoreFactory) -> None:
    """Let options call a store `name`."""
    KEYED_STORES[name] = factory


def make_keyed_store(name: str, part: Component) -> KeyedStore:
    """Return a new store for a part.

    Raises:
        UnknownNameError: there is no store of that name.
    """
    if name not in KEYED_STORES:
        raise UnknownNameError(
            "keyed store", name, used_by=part.locate_address(), known=KEYED_STORES
        )
    return KEYED_STORES[name](part)
