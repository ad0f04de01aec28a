"""Putting doubles into a pipeline of the user, in the place of parts that reach outside."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bspump.abc.errors import UnknownNameError
from bspump.abc.sink import BatchSink, Sink
from bspump.abc.source import Source
from bspump.core.pipeline import Pipeline

from .memory_ends import MemorySink, MemorySource


def with_doubles(
    base: type[Pipeline], doubles: Collection[str], replace: Mapping[str, Any]
) -> type[Pipeline]:
    """Return a subclass of `base` that puts other parts in the place of those of certain Ids.

    Args:
        base: the pipeline; its name and module stay, so its configuration does too.
        doubles: Ids of sources and sinks that become memory ends.
        replace: parts, functions or classes of parts, by the Id they replace.

    Raises:
        UnknownNameError: when the pipeline is made, and has no part of such an Id.
    """
    if not doubles and not replace:
        return base
    swapped: set[str] = set()

    class Doubled(base):  # type: ignore[misc, valid-type]
        __doc__ = base.__doc__

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            known = {part.Id for part in [*self.Sources, *self.iter_processors()]}
            for name in {*doubles, *replace} - swapped:
                raise UnknownNameError("part", name, used_by=f"doubles of {self!r}", known=known)

        def set_source(self, source: Source | Iterable[Source]) -> None:
            sources = [source] if isinstance(source, Source) else source
            super().set_source([self._swap(each) for each in sources])

        def append_processor(self, processor: Any) -> None:
            super().append_processor(self._swap(processor))

        def _swap(self, part: Any) -> Any:
            part_id: str = getattr(part, "Id", getattr(part, "__name__", ""))
            if part_id in replace:
                swapped.add(part_id)
                return made(replace[part_id], self.App, self, id=part_id)
            if part_id in doubles and isinstance(part, Source | Sink | BatchSink):
                swapped.add(part_id)
                double: Any = MemorySource if isinstance(part, Source) else MemorySink
                return double(self.App, self, id=part_id)
            return part

    Doubled.__name__, Doubled.__qualname__ = base.__name__, base.__qualname__
    Doubled.__module__ = base.__module__
    return Doubled


def made(part: Any, app: Any, pipeline: Any, **kwargs: Any) -> Any:
    """Return a part: one made by a class or a `functools.partial` of one, or `part` itself."""
    is_maker = inspect.isclass(part) or isinstance(part, functools.partial)
    return part(app, pipeline, **kwargs) if is_maker else part
