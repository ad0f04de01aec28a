"""Iterables as input: of a source, or found in events."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any

from bspump.abc.processor import Generator
from bspump.abc.source import TriggerSource

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_CHUNK = 1000


class IteratorSource(TriggerSource):
    """Emit the items of an iterable, as the pipeline has room, at most 1,000 ahead.

    Without a trigger they are emitted once, and then the source has finished. With one they are
    emitted in its first cycle; an iterator is used up by that, while a list, or whatever can
    begin again, is emitted anew in every cycle.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        iterator: Iterable[Any],
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Iterator = iterator
        self._once: Iterator[Any] | None = None
        self._done = 0
        self._is_finished = False

    async def main(self, *args: Any, **kwargs: Any) -> None:
        if self.Triggers:
            await super().main(*args, **kwargs)
            return
        await self.Pipeline.ready()
        # Kept, so that it goes on where it was if it is started again.
        self._once = iter(self.Iterator) if self._once is None else self._once
        await self._emit(self._once)
        self._is_finished = True

    def is_finished(self) -> bool:
        return self._is_finished

    def progress(self) -> tuple[float, float | None, str] | None:
        if self.Triggers:
            return None
        return (
            self._done,
            len(self.Iterator) if isinstance(self.Iterator, Sized) else None,
            "events",
        )

    async def cycle(self, *args: Any, **kwargs: Any) -> None:
        await self._emit(iter(self.Iterator))

    async def _emit(self, items: Iterator[Any]) -> None:
        while chunk := list(itertools.islice(items, _CHUNK)):
            await self.Pipeline.process_many(chunk)
            self._done += len(chunk)


class IteratorGenerator(Generator):
    """Turn an event that is iterable into one event for each of its items."""

    def generate(self, context: Context, event: Event, depth: int) -> list[Any]:
        return list(event)
