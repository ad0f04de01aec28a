"""How far behind the clock the events are."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.options import Duration
from bspump.abc.state import PartState, Snapshot

from .analyzer import Analyzer, AnalyzerOptions

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class TimeDriftOptions(AnalyzerOptions, frozen=True, kw_only=True):
    """Which events are measured, and how many."""

    analyze_period: Annotated[
        Duration, Meta(description="Seconds from one publication to the next.")
    ] = 300.0
    history_size: Annotated[
        int, Meta(ge=1, description="Differences that are kept at the most, the last ones.")
    ] = 100
    sparse_count: Annotated[int, Meta(ge=1, description="Measure one event of so many.")] = 1
    timestamp_attr: Annotated[
        str, Meta(description="The field with the time of the event, Unix seconds.")
    ] = "@timestamp"


class TimeDriftAnalyzer(Analyzer):
    """Measure how far behind the clock the times of events are, in seconds.

    Every `analyze_period` the gauge `timedrift` gets `avg`, `median`, `stddev`, `min` and `max`
    of what was measured since; where that is nothing it stays as it is. The counter
    `timedrift.difference` tells how many events were `positive`, and how many `negative`: from
    the future, which are not measured. Events without a number at `timestamp_attr` are ignored.

    State: what was measured and not published yet.
    """

    OptionsClass = TimeDriftOptions
    Options: TimeDriftOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, analyze_on_clock=True, id=id, config=config)
        self.History: deque[float] = deque(maxlen=self.Options.history_size)
        self._sparse_count = self.Options.sparse_count
        self._timestamp_attr = self.Options.timestamp_attr
        self._event_count = 0
        metrics = app.get_service("asab.MetricsService")
        self.Gauge = metrics.create_gauge(
            "timedrift",
            {"pipeline": pipeline.Id},
            dict.fromkeys(("avg", "median", "stddev", "min", "max"), 0.0),
            description="Seconds that events are behind the clock",
        )
        self.DifferenceCounter = metrics.create_counter(
            "timedrift.difference",
            {"pipeline": pipeline.Id},
            {"positive": 0, "negative": 0},
            description="Events of the past and of the future",
        )

    def predicate(self, context: Context, event: Event) -> bool:
        at_s = event.get(self._timestamp_attr) if isinstance(event, Mapping) else None
        if isinstance(at_s, bool) or not isinstance(at_s, int | float) or not math.isfinite(at_s):
            return False
        self._event_count += 1
        return self._event_count % self._sparse_count == 0

    def evaluate(self, context: Context, event: Event) -> None:
        behind_s = self.time() - event[self._timestamp_attr]
        if behind_s < 0:
            self.DifferenceCounter.add("negative", 1)
            return
        self.DifferenceCounter.add("positive", 1)
        self.History.append(behind_s)

    def analyze(self) -> None:
        """Publish what was measured, and begin anew."""
        history = self.History
        if not history:
            return
        values = {
            "avg": statistics.fmean(history),
            "median": statistics.median(history),
            "stddev": statistics.pstdev(history),
            "min": min(history),
            "max": max(history),
        }
        for name, value in values.items():
            self.Gauge.set(name, value)
        history.clear()

    def snapshot(self) -> Snapshot | None:
        return Snapshot(value={"history": list(self.History), "event_count": self._event_count})

    def restore(self, state: PartState) -> None:
        self.History.clear()
        self.History.extend(state.value["history"])
        self._event_count = state.value["event_count"]
