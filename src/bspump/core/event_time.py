"""The service that tells parts how far time has come, where no event tells them.

Every event carries its watermark along. Now and then this service looks at each pipeline that has
parts which wait for a time, between two events, and tells these

* the watermark of the nearest part before them that has one, but no later one than what the
  events carry that are still on their way from there: none of those may find that it has come
  too late;
* the wall clock.

A `TimeSource` is told what is known of pipelines that feed its own, as soon as nothing is on the
way from there. A part behind which the pipeline is held back is left alone.

So where events come at all, what is told in between only lets happen earlier what the next event
would have let happen: what comes out depends on the order of events alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.event_time import BEGIN_MS, END_MS, TimedProcessor, TimeSource, shown_ms
from bspump.abc.options import Configurable, Duration, Options

from .grouping import feeders_first
from .lifecycle import State
from .service import Service

if TYPE_CHECKING:
    from bspump.abc.source import Source

    from .application import BSPumpApplication
    from .pipeline import Pipeline


_DEEPEST = 1 << 30
_FEEDERS_EVERY = 4
"""After so many looks it is looked again who may feed a pipeline, for all parts are asked."""

_TIMED = (TimeSource, TimedProcessor)


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

    def explain(self, pipeline: Pipeline) -> list[dict[str, Any]]:
        """Return why windows and timers of a pipeline still wait, ready for JSON."""
        time = self._clocks.get(pipeline)
        return [] if time is None else time.explain(int(self.App.time() * 1000))

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
        self._possible: dict[Source, Collection[Any]] = {}
        self._looks = 0

    def close(self) -> None:
        """Measure no longer."""
        self._pipeline.MetricsService.remove(self._gauge)

    def look(self, now_ms: int, others: Mapping[Pipeline, PipelineTime]) -> None:
        """Tell parts what time it is, from the first to the last."""
        flow = self._pipeline.Flow
        first, watermark_ms = 0, END_MS
        for depth, part in self._timed_parts():
            is_told = True
            try:
                if isinstance(part, TimeSource):
                    first = depth
                    part.look(now_ms, self._feeding(others) if flow.is_clear(depth) else None)
                elif is_told := flow.gate.is_open(depth + 1):
                    safe_ms = min(watermark_ms, flow.earliest_ms(first, depth))
                    part.advance(BEGIN_MS if safe_ms == END_MS else safe_ms, now_ms)
            except Exception as error:  # noqa: BLE001 - the pipeline owns the errors of its parts
                self._pipeline.set_error(None, None, error)
            own_ms = part.watermark_ms()
            if isinstance(part, TimeSource):
                self._measure(own_ms, now_ms)
            else:
                own_ms = min(own_ms, part.held_ms())
            if own_ms > BEGIN_MS or not is_told:
                # Behind it time is no further than it is there.
                watermark_ms = own_ms
            self._note(part, depth, own_ms)

    def _timed_parts(self) -> Iterator[tuple[int, TimeSource | TimedProcessor]]:
        """Yield the parts that have to do with time, each with its depth in the chain."""
        chain = self._pipeline.Flow.chain
        for number, part in enumerate(chain.processors):
            if isinstance(part, TimeSource | TimedProcessor):
                yield chain.depth_of(number), part

    def known(self) -> Mapping[str, int]:
        """Return the watermark of each clock of the pipeline; what carries less has left it."""
        return self._known

    def _note(self, part: TimeSource | TimedProcessor, depth: int, watermark_ms: int) -> None:
        safe_ms = min(
            watermark_ms, self._pipeline.Flow.earliest_ms(depth, _DEEPEST), self._held_ms(depth)
        )
        address = part.locate_address()
        self._known[address] = max(safe_ms, self._known.get(address, BEGIN_MS))

    def _held_ms(self, depth: int) -> int:
        """Return the earliest time of events that parts from `depth` on hold and will hand on."""
        return min(
            (
                part.held_ms()
                for at, part in self._timed_parts()
                if at >= depth and isinstance(part, TimedProcessor)
            ),
            default=END_MS,
        )

    def _feeding(self, others: Mapping[Pipeline, PipelineTime]) -> dict[str, int]:
        """Return the clocks of the pipelines that feed this one, and have nothing on the way."""
        feeders: set[Any] = set()
        busy: set[Any] = set()
        may_have_changed = self._looks % _FEEDERS_EVERY == 0
        self._looks += 1
        for source in self._pipeline.Sources:
            is_idle = getattr(source, "is_idle", None)
            if is_idle is not None:
                if may_have_changed or source not in self._possible:
                    self._possible[source] = source.possible_feeders()
                found = {*self._possible[source], *source.feeders()}
                feeders.update(found)
                if not is_idle():
                    busy.update(found)
        return {
            clock: watermark_ms
            for feeder in (feeders - busy) & others.keys()
            for clock, watermark_ms in others[feeder].known().items()
        }

    def _measure(self, watermark_ms: int, now_ms: int) -> None:
        if shown_ms(watermark_ms) is not None:
            self._gauge.set("watermark", watermark_ms / 1000)
            self._gauge.set("lag", (now_ms - watermark_ms) / 1000)

    def explain(self, now_ms: int) -> list[dict[str, Any]]:
        """Return for each part how far time has come, what holds it back and what waits for it."""
        flow, found, first = self._pipeline.Flow, [], 0
        deepest = len(flow.chain.lengths) - 1
        for depth, part in self._timed_parts():
            if isinstance(part, TimeSource):
                first = depth
            watermark_ms = shown_ms(part.watermark_ms())
            on_way_ms = flow.earliest_ms(first, depth)
            found.append(
                {
                    "Part": part.Id,
                    **part.explain(),
                    "Lag": None if watermark_ms is None else (now_ms - watermark_ms) / 1000,
                    "OnTheWay": shown_ms(on_way_ms),
                    "IsHeldBack": not flow.gate.is_open(min(depth + 1, deepest)),
                }
            )
        return found
