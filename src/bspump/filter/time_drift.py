"""Events that come too late to be of use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.options import Duration, Options
from bspump.abc.processor import Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class TimeDriftOptions(Options, frozen=True, kw_only=True):
    """How old an event may be."""

    max_time_drift: Annotated[
        Duration, Meta(description="Seconds that an event may be behind the wall clock.")
    ] = 60.0


class TimeDriftFilter(Processor):
    """Drop dict events whose `@timestamp` (Unix seconds) is too old, missing or no number.

    The metric `timedriftfilter.status` counts all events in, out and dropped, and as
    `timestamp.error` those without a timestamp, which are among the dropped.
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
        super().__init__(app, pipeline, id, config)
        self.TimeDriftFilterCounter = pipeline.MetricsService.create_counter(
            "timedriftfilter.status",
            tags={"pipeline": pipeline.Id, "processor": self.Id},
            init_values={"event.in": 0, "event.out": 0, "event.drop": 0, "timestamp.error": 0},
        )

    def process(self, context: Context, event: Event) -> Event | None:
        return self.process_batch(None, (event,))[0]

    def process_batch(
        self, contexts: Sequence[Context] | None, events: Sequence[Event]
    ) -> list[Event | None]:
        """Judge all of `events` by one look at the clock."""
        oldest = self.App.time() - self.Options.max_time_drift
        kept: list[Event | None] = []
        unknown = 0
        for event in events:
            timestamp = event.get("@timestamp")
            # A truth value is no time, and NaN is not `>=` anything.
            if not isinstance(timestamp, int | float) or isinstance(timestamp, bool):
                unknown += 1
                kept.append(None)
            else:
                kept.append(event if timestamp >= oldest else None)
        dropped = kept.count(None)
        add = self.TimeDriftFilterCounter.add
        add("event.in", len(kept))
        add("event.out", len(kept) - dropped)
        if dropped:
            add("event.drop", dropped)
            add("timestamp.error", unknown)
        return kept
