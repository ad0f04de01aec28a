"""The pipeline as the source before a buffer sees it: what it passes on is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import RejectedError

from .records import RecordCodec
from .writing import Writer

if TYPE_CHECKING:
    from bspump.abc.host import Context, Event, Pipeline


class Entrance:
    """Takes the place of a pipeline: events go into the buffer, all else to the pipeline.

    It is ready when the buffer can take something, whatever the pipeline is doing; and what was
    passed has been dealt with when it is on the disk.

    Args:
        pipeline: behind the buffer.
        records: makes records of events.
        writer: of the buffer.
    """

    def __init__(self, pipeline: Pipeline, records: RecordCodec, writer: Writer) -> None:
        self._pipeline, self._records, self._writer = pipeline, records, writer
        self._who: Any = None

    def serve(self, source: Any) -> None:
        """Take note of the source whose events they are."""
        self._who = source

    def __getattr__(self, name: str) -> Any:
        """Return what the pipeline has under this name."""
        return getattr(self._pipeline, name)

    async def process(self, event: Event, context: Context | None = None) -> None:
        """Keep one event; when it returns, the event is durable or was rejected."""
        record = self._record(event, context)
        if record is not None:
            await self._writer.write([record])

    async def process_many(
        self, events: Sequence[Event], contexts: Sequence[Context] | None = None
    ) -> None:
        """Keep events in their order; when it returns, each is durable or was rejected."""
        abouts = contexts if contexts is not None else [None] * len(events)
        records = [self._record(*each) for each in zip(events, abouts, strict=True)]
        await self._writer.write([record for record in records if record is not None])

    def inject(self, context: Context | None, event: Event, depth: int) -> None:
        """Keep one event soon; `settle` waits until it is durable."""
        record = self._record(event, context)
        if record is not None:
            self._writer.put(record)

    async def ready(self) -> bool:
        """Wait until the buffer can take something; returns True."""
        await self._writer.ready()
        return True

    def is_ready(self) -> bool:
        """Tell whether the buffer can take something now."""
        return self._writer.is_ready()

    def under_way(self) -> int:
        """Return how many events are not in the buffer yet."""
        return self._writer.waiting()

    async def settle(self) -> None:
        """Wait until all that was passed is durable."""
        await self._writer.settle()

    async def checkpoint(self) -> None:
        """Wait until all that was passed is durable."""
        await self._writer.settle()

    def request_checkpoint(self) -> None:
        """Do nothing: what was passed is durable soon."""

    def _record(self, event: Event, context: Context | None) -> bytes | None:
        """Return the record of an event; `None` if it cannot be kept and was rejected."""
        try:
            record = self._records.encode(event, context)
            self._writer.check(record)
        except RejectedError as error:
            about = {} if context is None else context
            self._pipeline.reject([(about, event)], error, self._who)
            return None
        return record
