"""Whether a source that never waits lets others run: how late a tick of 100 ms comes at the worst.

This is about wall-clock time, so other work on the machine shows in it.
"""

from __future__ import annotations

import time
from typing import Any

from _measure import heading

import bspump

SECONDS = 3.0
TICK_S = 0.1
LIST = 1_000
LIMIT_MS = 50

Context = dict[str, Any]


class Busy(bspump.Source):
    """Brings events in for as long as it is let, and never waits for anything else."""

    in_lists = False

    async def main(self) -> None:
        await self.Pipeline.ready()
        events = list(range(LIST))
        while True:
            if self.in_lists:
                await self.Pipeline.process_many(events)
            else:
                await self.Pipeline.process(1)


class Work(bspump.Processor):
    """Keeps the processor of the machine busy for some time."""

    seconds = 0.0

    def process(self, context: Context, event: Any) -> Any:
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass
        return event


class Forget(bspump.Sink):
    """Takes events one by one and forgets them."""

    def process(self, context: Context, event: Any) -> None:
        return


class Ticking(bspump.BSPumpApplication):
    """Notes how late its ticks come, then stops."""

    def __init__(self) -> None:
        super().__init__(args=[])
        self.lateness_s: list[float] = []

    async def main(self) -> None:
        clock = self.Clock
        begin = due = clock.monotonic()
        while due < begin + SECONDS:
            due += TICK_S
            await clock.sleep(max(0.0, due - clock.monotonic()))
            self.lateness_s.append(clock.monotonic() - due)
        self.stop()


def measure(*, in_lists: bool, work_s: float) -> tuple[float, int]:
    """Return by how many milliseconds the latest tick was late, and how many events passed."""
    app = Ticking()
    pipeline = bspump.Pipeline(app, "Busy")
    source, work = Busy(app, pipeline), Work(app, pipeline)
    source.in_lists, work.seconds = in_lists, work_s
    parts: list[Any] = [work] if work_s else []
    pipeline.build(source, *parts, Forget(app, pipeline))
    app.PumpService.add_pipeline(pipeline)
    assert app.run() == 0
    events = sum(pipeline.Flow.chain.entered())
    assert events
    assert len(app.lateness_s) >= SECONDS / TICK_S
    return max(app.lateness_s) * 1000, events


def main() -> None:
    """Measure and print."""
    heading(
        f"A tick of {TICK_S * 1000:.0f} ms beside a source that never waits, {SECONDS:.0f} s each"
    )
    for in_lists in (False, True):
        for work_s in (0.0, 0.001):
            worst_ms, events = measure(in_lists=in_lists, work_s=work_s)
            how = "process_many" if in_lists else "process"
            name = f"{how}, {'1 ms' if work_s else 'no work'} per event"
            print(
                f"{name:36}{events:11,} events   latest tick {worst_ms:5.1f} ms late"
                f"   at most {LIMIT_MS}"
            )


if __name__ == "__main__":
    main()
