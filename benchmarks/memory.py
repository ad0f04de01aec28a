"""Memory of a process whose sink is ten times slower than its source: it stays flat.

First it is measured how fast the source is with a sink that does not wait. Then the sink takes
ten times as long, and the resident memory is noted ten times a second. What the first twentieth
of the events needs is the measure for all others. Ten million events take some minutes;
`--events` takes fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from _measure import heading

import bspump
from bspump.abc.capabilities import Can
from bspump.abc.sink import Batch, BatchSink, BatchSinkOptions
from bspump.abc.source import Chunk, PullSource

CHUNK = 1000
LIMIT = 0.20
SLOWER = 10
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Numbers(PullSource[int, Any]):
    """Makes dicts of about a kilobyte, as fast as they are taken."""

    Capabilities = Can.RESUME | Can.ORDER | Can.END

    def __init__(self, app: Any, pipeline: Any, events: int) -> None:
        super().__init__(app, pipeline)
        self.Events = events

    async def read(self, position: int | None, /) -> Chunk[int]:
        begin = position or 0
        end = min(begin + CHUNK, self.Events)
        text = "x" * 500
        events = [{"number": n, "text": f"{text}{n}", "tags": [n, n]} for n in range(begin, end)]
        return Chunk(events, end, is_last=end == self.Events)


class Slow(BatchSink[BatchSinkOptions]):
    """Takes `ns` nanoseconds for each event, without keeping the processor busy."""

    def __init__(self, app: Any, pipeline: Any, ns: float) -> None:
        super().__init__(app, pipeline)
        self.Ns, self.Count = ns, 0
        self._due_s = 0.0

    async def write(self, batch: Batch, /) -> None:
        clock = self.App.Clock
        if self.Ns:
            # Sleeps are never exact: what one was too long, the next is shorter.
            now_s = clock.monotonic()
            self._due_s = max(self._due_s, now_s - 0.1) + len(batch) * self.Ns / 1e9
            if self._due_s > now_s:
                await clock.sleep(self._due_s - now_s)
        self.Count += len(batch)


def resident_bytes() -> int:
    """Return how much memory of this process is in the memory of the machine."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


async def run(events: int, ns: float) -> tuple[float, list[tuple[int, int]]]:
    """Run a pipeline to the end; return seconds, and memory by how many events were written."""
    noted: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory() as var_dir:
        app = bspump.BSPumpApplication(args=["--set", f"[general] var_dir={var_dir}"])
        pipeline = bspump.Pipeline(app, "Numbers")
        sink = Slow(app, pipeline, ns)
        pipeline.build(Numbers(app, pipeline, events), sink)
        app.PumpService.add_pipeline(pipeline)
        start = time.perf_counter()
        async with app.running():
            while sink.Count < events:
                assert not pipeline.has_error()
                await app.Clock.sleep(0.1)
                noted.append((sink.Count, resident_bytes()))
            spent_s = time.perf_counter() - start
        assert sink.Count == events
    return spent_s, noted


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    given, _ = parser.parse_known_args()
    heading(f"{given.events:,} events into a sink {SLOWER} times slower than its source")
    fast = max(100_000, given.events // 20)
    spent_s, _ = asyncio.run(run(fast, 0.0))
    ns = spent_s / fast * 1e9
    print(f"source alone: {1e9 / ns:,.0f}/s, so the sink takes {1e9 / ns / SLOWER:,.0f}/s")
    spent_s, noted = asyncio.run(run(given.events, SLOWER * ns))
    print(f"with the slow sink: {given.events / spent_s:,.0f}/s, {spent_s:.0f} s\n")
    first = statistics.median(size for count, size in noted if count <= given.events / 20)
    largest = max(size for _, size in noted)
    for part in range(5):
        begin, end = part * given.events / 5, (part + 1) * given.events / 5
        sizes = [size for count, size in noted if begin <= count <= end]
        print(f"up to {end:12,.0f} events{max(sizes) / 2**20:10.1f} MiB at the most")
    print(f"first twentieth {first / 2**20:.1f} MiB, largest {largest / 2**20:.1f} MiB:", end=" ")
    print(f"{largest / first - 1:+.1%}   at most {LIMIT:+.0%}")


if __name__ == "__main__":
    main()
