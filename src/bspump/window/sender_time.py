"""The processor that takes the time of events from the pipelines that have sent them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import ProcessingError
from bspump.abc.event_time import CLOCK, EVENT_TIME, WATERMARK

from .watermarking import WatermarkingProcessor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class SenderTime(WatermarkingProcessor):
    """Give each event the time that it had in the pipeline that has sent it here.

    For pipelines whose events come from routers of others, which have an `EventTime` or windows
    of their own. Each of their clocks is a partition; `lateness` is in addition to theirs.

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
        self._has_begun = False

    def process(self, context: Context, event: Event, /) -> Event:
        ancestor = context.get("ancestor") or {}
        try:
            at_ms, before_ms, clock = ancestor[EVENT_TIME], ancestor[WATERMARK], ancestor[CLOCK]
        except KeyError:
            raise ProcessingError(
                f"{self._address}: the event brings no time from the pipeline that has sent it\n"
                "  what to do: put a `bspump.window.EventTime` before the router there"
            ) from None
        if not self._has_begun:
            self._begin()
        context[EVENT_TIME] = at_ms
        context[WATERMARK] = self._observe(clock, before_ms)
        context[CLOCK] = self._address
        return event

    def _begin(self) -> None:
        """Wait for everybody who may send something."""
        self._has_begun = True
        known = {str(clock).partition(".")[0] for clock in self._watermarks.partitions()}
        for source in self.Pipeline.Sources:
            for feeder in source.possible_feeders():
                if feeder.Id not in known and not feeder.is_finished():
                    self._watermarks.expect(feeder.Id)

    def _observe(self, clock: str, watermark_ms: int) -> int:
        self._watermarks.observe(clock, watermark_ms)
        self._watermarks.leave(clock.partition(".")[0])
        return self._watermarks.watermark_ms

    def look(self, now_ms: int, feeding: Mapping[str, int]) -> None:
        if feeding and not self._has_begun:
            self._begin()
        for clock, watermark_ms in feeding.items():
            self._observe(clock, watermark_ms)
        super().look(now_ms, feeding)
        if all(_is_idle(source) for source in self.Pipeline.Sources):
            self._leave_finished()

    def _leave_finished(self) -> None:
        """Wait no longer for who has finished; nothing of theirs may be on the way."""
        feeders = {f.Id: f for source in self.Pipeline.Sources for f in source.possible_feeders()}
        for clock in self._watermarks.partitions():
            feeder = feeders.get(str(clock).partition(".")[0])
            if feeder is not None and feeder.is_finished():
                self._watermarks.leave(clock)


def _is_idle(source: Any) -> bool:
    """Tell whether a source has passed on all it was given, as far as it knows."""
    return not hasattr(source, "is_idle") or bool(source.is_idle())
