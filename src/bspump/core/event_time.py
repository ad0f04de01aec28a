"""The service that tells parts how far time has come, where no event tells them.

Every event carries its watermark along. Now and then this service looks at each pipeline that has
parts which wait for a time, between two events, and tells these

* the watermark of the nearest `TimeSource` before them, but no later one than what the events
  carry that are still on their way: none of those may find that it has come too late;
* the wall clock.

A `TimeSource` is told what is known of pipelines that feed its own, as soon as nothing is on the
way from there. A pipeline that is held back is left alone: its events have to come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.event_time import BEGIN_MS, END_MS, WATERMARK, TimedProcessor, TimeSource, shown_ms
from bspump.abc.options import Configurable, Duration, Options

from .grouping import feeders_first
from .lifecycle import State
from .service import Service

if TYPE_CHECKING:
    from bspump.abc.source import Source

    from .application import BSPumpApplication
    from .flow import Flow
    from .pipeline import Pipeline


class EventTimeOptions(Options, frozen=True, kw_only=True):
    """How often it is looked at."""

    interval: Annotated[
        Duration,
        Meta(description="So late a timer of the wall clock fires at the most, in seconds."),
    ] = 0.25


class EventTimeService(Service, Configurable):
    """Lets time go on for pipelines in which something waits for it. Section `[event_time]`."""

    OptionsClass = EventTimeOptions
    Options: EventTimeOptions

    def __init__(
        self, app: BSPumpApplication, service_name: str = "bspump.EventTimeService"
    ) -> None:
        super().__init__(app, service_name)
        self._configure(app.Config, "event_time", None)
        self._clocks: dict[Pipeline, PipelineTime] = {}
        self._ticking: Any = None

    def follow(self, pipeline: Pipeline) -> None:
        """Look at a pipeline from now on, while it runs; those without such parts cost nothing."""
        if not any(isinstance(part, _TIMED) for part in pipeline.iter_processors()):
            return
        if pipeline not in self._clocks:
            self._clocks[pipeline] = PipelineTime(pipeline)
        if self._ticking is None or self._ticking.done():
            self._ticking = self.App.spawn(self._tick(), name="event time")

    async def _tick(self) -> None:
        while self._clocks:
            await self.App.Clock.sleep(self.Options.interval)
            for pipeline in [p for p in self._clocks if p.State is State.STOPPED]:
                self._clocks.pop(pipeline).close()
            self.look()

    def look(self) -> None:
        """Look at all pipelines now, those that feed others first."""
        now_ms = int(self.App.time() * 1000)
        for pipeline in feeders_first(self._clocks):
            self._clocks[pipeline].look(now_ms, self._clocks)


class PipelineTime:
    """The time of one pipeline.

    Args:
        pipeline: the pipeline.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._gauge = pipeline.MetricsService.create_gauge(
            "bspump.pipeline.event_time",
            {"pipeline": pipeline.Id},
            {"watermark": 0.0, "lag": 0.0},
            description="How far the time of events has come, Unix seconds, and how far behind",
        )
        self._known: dict[str, int] = {}

    def close(self) -> None:
        """Measure no longer."""
        self._pipeline.MetricsService.remove(self._gauge)

    def look(self, now_ms: int, others: Mapping[Pipeline, PipelineTime]) -> None:
        """Tell parts what time it is, from the first to the last."""
        pipeline = self._pipeline
        if not pipeline.is_ready():
            return
        feeding = self._feeding(others)
        watermark_ms = END_MS
        for part in pipeline.iter_processors():
            if isinstance(part, TimeSource):
                part.look(now_ms, feeding)
                watermark_ms = part.watermark_ms()
            elif isinstance(part, TimedProcessor):
                safe_ms = min(watermark_ms, in_flight_ms(pipeline.Flow))
                part.advance(BEGIN_MS if safe_ms == END_MS else safe_ms, now_ms)
            else:
                continue
            self._note(part)
            # What has been handed on may be anywhere between here and the next part.
            if not pipeline.is_ready():
                return
        self._measure(watermark_ms, now_ms)

    def known(self) -> Mapping[str, int]:
        """Return the watermark of each clock of the pipeline; what carries less has left it."""
        return self._known

    def _note(self, part: TimeSource | TimedProcessor) -> None:
        safe_ms = min(part.watermark_ms(), in_flight_ms(self._pipeline.Flow))
        address = part.locate_address()
        self._known[address] = max(safe_ms, self._known.get(address, BEGIN_MS))

    def _feeding(self, others: Mapping[Pipeline, PipelineTime]) -> dict[str, int]:
        """Return the clocks of the pipelines that feed this one, if nothing is on the way."""
        found: dict[str, int] = {}
        for source in self._pipeline.Sources:
            for feeder in source.feeders():
                if feeder in others and is_idle(source):
                    found.update(others[feeder].known())  # type: ignore[index]
        return found

    def _measure(self, watermark_ms: int, now_ms: int) -> None:
        if shown_ms(watermark_ms) is not None:
            self._gauge.set("watermark", watermark_ms / 1000)
            self._gauge.set("lag", (now_ms - watermark_ms) / 1000)


def in_flight_ms(flow: Flow) -> int:
    """Return the earliest watermark that events on their way carry; `BEGIN_MS` if nobody knows."""
    earliest_ms = END_MS
    if flow.futures - flow.gate.waiting:
        return BEGIN_MS
    for context in flow.oldest_contexts():
        earliest_ms = min(earliest_ms, context.get(WATERMARK, END_MS))
    return earliest_ms


def is_idle(source: Source) -> bool:
    """Tell whether a source that is fed has passed on all it was given."""
    idle = getattr(source, "is_idle", None)
    return idle is None or bool(idle())


_TIMED = (TimeSource, TimedProcessor)


def explain(pipeline: Pipeline) -> Iterator[dict[str, Any]]:
    """Yield for each part that has to do with time what holds it back and what it waits for."""
    for part in pipeline.iter_processors():
        if isinstance(part, _TIMED):
            yield part.rest_get()


__all__ = ["EventTimeOptions", "EventTimeService", "PipelineTime", "explain"]
