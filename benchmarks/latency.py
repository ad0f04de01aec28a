"""How long an event takes from its source to its sink, at 10,000 events per second.

Wall-clock time, so other work on the machine shows in it. *Handed over* is from the call that
passes the event to the sink; *scheduled* from the moment at which it was due, whether or not the
source was in time: that contains the timer of the loop, and is what a user waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from _measure import heading, quantile

import bspump
from bspump.common import InternalSource, RouterSink

RATE = 10_000
SECONDS = 3
PROCESSORS = 5

Context = dict[str, Any]
Stamps = tuple[int, int]
"""When an event was due, and when it was passed; nanoseconds."""


class Schedule(bspump.Source):
    """Passes what is due by a fixed schedule, then ends the application."""

    async def main(self) -> None:
        await self.Pipeline.ready()
        clock, process = self.App.Clock, self.Pipeline.process
        interval_ns = 1_000_000_000 // RATE
        due = time.perf_counter_ns()
        for _ in range(RATE * SECONDS):
            due += interval_ns
            while (left_ns := due - time.perf_counter_ns()) > 0:
                await clock.sleep(left_ns / 1e9)
            await process((due, time.perf_counter_ns()))
        await self.Pipeline.settle()
        await clock.sleep(0.1)
        self.App.stop()


class Touch(bspump.Processor):
    """Returns the event as it is."""

    def process(self, context: Context, event: Stamps) -> Stamps:
        return event


class TouchAsync(bspump.AsyncProcessor):
    """Returns the event as it is, without waiting."""

    async def process(self, context: Context, event: Stamps) -> Stamps:
        return event


class Forward(RouterSink):
    """Routes every event to the other pipeline."""

    def process(self, context: Context, event: Stamps) -> None:
        self.route(context, event, "Target.*In", copy_event=False)


class Arrivals(bspump.Sink):
    """Notes how long each event took."""

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline)
        self.handed_over_us: list[float] = []
        self.scheduled_us: list[float] = []

    def process(self, context: Context, event: Stamps) -> None:
        now = time.perf_counter_ns()
        due, passed = event
        self.scheduled_us.append((now - due) / 1000)
        self.handed_over_us.append((now - passed) / 1000)


def chain(app: bspump.BSPumpApplication) -> Arrivals:
    """Processors, one after the other."""
    return build(app, [Touch] * PROCESSORS)


def asynchronous(app: bspump.BSPumpApplication) -> Arrivals:
    """The same with an asynchronous processor in between."""
    return build(app, [*[Touch] * PROCESSORS, TouchAsync])


def routed(app: bspump.BSPumpApplication) -> Arrivals:
    """The same, and then into another pipeline."""
    first = bspump.Pipeline(app, "First")
    target = bspump.Pipeline(app, "Target")
    sink = Arrivals(app, target)
    first.build(
        Schedule(app, first), [Touch(app, first) for _ in range(PROCESSORS)], Forward(app, first)
    )
    target.build(InternalSource(app, target, "In"), sink)
    app.PumpService.add_pipelines(target, first)
    return sink


def build(app: bspump.BSPumpApplication, parts: list[Any]) -> Arrivals:
    """Add a pipeline of `parts`, and return its sink."""
    pipeline = bspump.Pipeline(app, "Measured")
    sink = Arrivals(app, pipeline)
    pipeline.build(Schedule(app, pipeline), *(part(app, pipeline) for part in parts), sink)
    app.PumpService.add_pipeline(pipeline)
    return sink


def measure(name: str, make: Callable[[bspump.BSPumpApplication], Arrivals]) -> None:
    """Run an application of `make`, and print how long events took."""
    app = bspump.BSPumpApplication(args=[])
    sink = make(app)
    assert app.run() == 0
    assert len(sink.handed_over_us) == RATE * SECONDS
    for what, values in (("handed over", sink.handed_over_us), ("scheduled", sink.scheduled_us)):
        figures = "".join(f"{quantile(values, share):10.1f}" for share in (0.5, 0.99, 0.999))
        print(f"{name:32}{what:14}{figures}{max(values):10.1f} us")
        name = ""


def main() -> None:
    """Measure and print."""
    heading(f"From source to sink at {RATE:,} events per second, {SECONDS} s each")
    print(f"{'':46}{'p50':>10}{'p99':>10}{'p99.9':>10}{'longest':>10}")
    measure(f"{PROCESSORS} processors", chain)
    measure("and an asynchronous one", asynchronous)
    measure("and a router to a pipeline", routed)


if __name__ == "__main__":
    main()
