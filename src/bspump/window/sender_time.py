"""The processor that takes the time of events from the pipelines that have sent them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import ProcessingError
from bspump.abc.event_time import CLOCK, EVENT_TIME, WATERMARK, TimedProcessor, TimeSource

from .watermarking import WatermarkingProcessor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline
    from bspump.abc.source import Source


_FEEDERS_EVERY = 4
"""After so many looks it is looked again who may send something, for all parts are asked."""


class SenderTime(WatermarkingProcessor):
    """Give each event the time that it had in the pipeline that has sent it here.

    For pipelines whose events come from routers of others, which have an `EventTime` or windows
    of their own. Each router is a partition, and `lateness` is in addition to what they have.

    The watermark is the least of theirs. It waits for every pipeline that may send something,
    until that has finished, or was silent for `idle`; a pipeline that sends nothing because it
    drops everything still moves time on.

    An event that brings no time along raises `ProcessingError`.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        # For each clock that senders have, the one that tells the time where they send.
        self._told_by: dict[str, str] = {}
        self._feeders: dict[Pipeline, set[str]] = {}
        self._looks = 0

    def process(self, context: Context, event: Event, /) -> Event:
        ancestor = context.get("ancestor") or {}
        try:
            at_ms, before_ms, clock = ancestor[EVENT_TIME], ancestor[WATERMARK], ancestor[CLOCK]
        except KeyError:
            raise ProcessingError(
                f"{self._address}: the event brings no time from the pipeline that has sent it\n"
                "  what to do: put a `bspump.window.EventTime`, or where that pipeline is fed by"
                " others a `SenderTime`, before the router there"
            ) from None
        if clock not in self._told_by:
            self._learn()
        told_by = self._told_by.setdefault(clock, clock)
        context[EVENT_TIME] = at_ms
        context[WATERMARK] = self._watermarks.observe(told_by, before_ms)
        context[CLOCK] = self._address
        return event

    def _learn(self) -> None:
        """Find out who may send something, and wait for them."""
        sources = self.Pipeline.Sources
        for feeder in {feeder for source in sources for feeder in source.possible_feeders()}:
            routes = list(_routes(feeder, sources))
            told_by = {route[-1] for route in routes}
            for route in routes:
                for clock in route:
                    self._told_by[clock] = clock if clock in told_by else route[-1]
            self._feeders[feeder] = {part.locate_address() for part in _timed_parts(feeder)}
            if not feeder.is_finished():
                for clock in told_by:
                    self._watermarks.expect(clock)

    def look(self, now_ms: int, feeding: Mapping[str, int] | None) -> None:
        may_have_changed = self._looks % _FEEDERS_EVERY == 0
        self._looks += 1
        if feeding:
            if may_have_changed or not self._feeders:
                self._learn()
            for clock, watermark_ms in feeding.items():
                if clock in self._watermarks:
                    self._watermarks.move_on(clock, watermark_ms)
        super().look(now_ms, feeding)
        if feeding is not None:
            self._leave_finished(look_anew=may_have_changed)

    def _leave_finished(self, *, look_anew: bool) -> None:
        """Wait no longer for who has finished or sends nothing; nothing of theirs is on the way."""
        sources = self.Pipeline.Sources
        possible = set(self._feeders)
        if look_anew:
            possible = {feeder for source in sources for feeder in source.possible_feeders()}
        for feeder, clocks in list(self._feeders.items()):
            if feeder not in possible:
                del self._feeders[feeder]
            if feeder not in possible or feeder.is_finished():
                for clock in clocks:
                    self._watermarks.leave(clock)


def _timed_parts(feeder: Any) -> Iterator[TimeSource | TimedProcessor]:
    return (p for p in feeder.iter_processors() if isinstance(p, TimeSource | TimedProcessor))


def _routes(feeder: Any, sources: list[Source]) -> Iterator[list[str]]:
    """Yield for each router that may send here the clocks of what it may send.

    The last one tells the time there: what is sent later is not before it.
    """
    clocks: list[str] = []
    for part in feeder.iter_processors():
        if isinstance(part, TimeSource):
            clocks = [part.locate_address()]
        elif isinstance(part, TimedProcessor):
            clocks.append(part.locate_address())
        elif clocks and any(_may_feed(part, source) for source in sources):
            yield list(clocks)


def _may_feed(part: Any, source: Source) -> bool:
    may_feed = getattr(part, "may_feed", None)
    return may_feed is not None and bool(may_feed(source))
