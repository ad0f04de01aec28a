"""Nexmark: events per second of CPU time for each query, checked against SQL over all events.

Events are made first and come from memory, a thousand at once; what a query says is kept and
compared with what DuckDB says of the same events. Out of order are 100 events at a time. State
is what a checkpoint behind nine tenths of the events contains.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from _measure import heading
from generator import Generator
from queries import QUERIES, Build
from truth import Truth, final

import bspump
from bspump.abc.state import Epoch
from bspump.state import MemoryStateStore

EVENTS = 1_000_000
GROUP = 100
CHUNK = 1000


class Events(bspump.PullSource[Any, int]):
    """Brings events from a list."""

    Capabilities = bspump.Can.RESUME | bspump.Can.ORDER | bspump.Can.END

    def __init__(self, app: Any, pipeline: Any, events: list[Any], checkpoint_at: int) -> None:
        super().__init__(app, pipeline)
        self._events, self._checkpoint_at = events, checkpoint_at

    async def read(self, position: int | None, /) -> bspump.Chunk[int]:
        start = position or 0
        if start <= self._checkpoint_at < start + CHUNK:
            self.Pipeline.request_checkpoint()
        events = self._events[start : start + CHUNK]
        end = start + len(events)
        return bspump.Chunk(events, end, is_last=end == len(self._events))


class Answers(bspump.Sink):
    """Keeps what a query says."""

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline)
        self.Rows: list[Any] = []

    def process(self, context: Any, event: Any, /) -> None:
        self.Rows.append(event)


class MeasuringStore(MemoryStateStore):
    """Notes how large the state of the first checkpoint is that has any."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.size_bytes = 0, 0

    async def commit(self, epoch: Epoch, /) -> None:
        entries = [
            len(key) + len(value)
            for state in epoch.states.values()
            for key, value in zip(state.keys, state.values, strict=True)
            if value  # Otherwise it was removed.
        ]
        if not self.keys:
            self.keys, self.size_bytes = len(entries), sum(entries)
        await super().commit(epoch)


def answer(build: Build, events: list[Any], store: MeasuringStore | None = None) -> list[Any]:
    """Run a query to the end of the events and return all rows that it has said."""
    settings = ("[checkpoint] interval=100000", "[logging] level=WARNING")
    app = bspump.BSPumpApplication(args=[word for each in settings for word in ("--set", each)])
    if store is not None:
        app.CheckpointService.use(store)
    pipeline = bspump.Pipeline(app, "Nexmark")
    answers = Answers(app, pipeline)
    never = len(events) + CHUNK
    source = Events(app, pipeline, events, never if store is None else len(events) * 9 // 10)
    pipeline.build(source, *build(app, pipeline), answers)
    app.PumpService.add_pipeline(pipeline)
    if app.run() != 0:
        raise RuntimeError("the query has failed: see above")
    return answers.Rows


def differences(query: str, rows: list[Any], truth: Truth) -> tuple[int, int]:
    """Return how many rows are missing, and how many are too many."""
    found, expected = final(query, rows), truth.of(query)
    return (expected - found).total(), (found - expected).total()


def measure(query: str, events: list[Any], repetitions: int) -> float:
    """Return the median of events per second of CPU time."""
    rates = []
    for _ in range(repetitions):
        gc.collect()
        start_ns = time.process_time_ns()
        answer(QUERIES[query], events)
        rates.append(len(events) * 1e9 / (time.process_time_ns() - start_ns))
    return statistics.median(rates)


def main() -> int:
    """Measure, compare and print; 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--only", default="", help="names of queries, separated by commas")
    given, _ = parser.parse_known_args()
    heading(f"Nexmark, {given.events:,} events, {GROUP} at a time out of order")
    events = list(Generator(given.events, group=GROUP))
    kinds = Counter(event["kind"] for event in events)
    print(", ".join(f"{count:,} of {kind}" for kind, count in kinds.items()), end="\n\n")
    truth = Truth(events)
    print(f"{'':5}{'events/s of CPU':>16}{'rows':>11}{'missing':>9}{'too many':>9}", end="")
    print(f"{'keys':>10}{'bytes/key':>11}")
    is_right = True
    for query in given.only.split(",") if given.only else QUERIES:
        store = MeasuringStore()
        rows = answer(QUERIES[query], events, store)
        missing, wrong = differences(query, rows, truth)
        is_right = is_right and not missing and not wrong
        rate = measure(query, events, given.repetitions)
        size = f"{store.size_bytes / store.keys:11.0f}" if store.keys else f"{'':11}"
        print(f"{query:5}{rate:16,.0f}{len(rows):11,}{missing:9,}{wrong:9,}", end="")
        print(f"{store.keys:10,}{size}", flush=True)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
