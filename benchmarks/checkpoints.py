"""What a checkpoint every second costs: events per second with and without.

Lines of JSON go from files through a parser to the sink, for some seconds after a start that is
not measured. With checkpoints one is taken every second and waits for the disk; without, the
interval is so long that none is. The runs take turns, and each pair makes one ratio. Time in
which the loop could run and other programs had the processors does not count. As a second opinion
the same ratio is made of events per second of processor time, that of all threads.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from _measure import heading

import bspump
import bspump.common
import bspump.file
from bspump.abc.keyed import KeyedProcessor
from bspump.abc.state import Epoch, Snapshot
from bspump.state import SqliteStateStore
from bspump.state.folding import Maintenance

EVENTS, FILES = 1_000_000, 24
KEYS = 1_000_000
CHANGING = KEYS // 20
"""Keys that change from one checkpoint to the next."""

NEVER_S = 100_000.0

Context = dict[str, Any]
Build = Callable[[bspump.BSPumpApplication, bspump.Pipeline], list[Any]]


class CountPerKey(KeyedProcessor):
    """Counts events by key, for a million keys; others change after each checkpoint."""

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline)
        self.Keys = [f"user-{number:07}" for number in range(KEYS)]
        self._offset = 0

    def key(self, context: Context, event: Any) -> str:
        return self.Keys[self._offset + event["user"]]

    def new_state(self) -> dict[str, int]:
        return {"count": 0}

    def process_keyed(self, state: dict[str, int], context: Context, event: Any) -> Any:
        event["count"] = state["count"] = state["count"] + 1
        return event

    def fill(self) -> None:
        """Let there be all keys."""
        store = self._open()
        for key in self.Keys:
            store.add(key, [self.new_state(), None, None, self.Version])

    def move(self) -> None:
        """Let other keys change from now on."""
        self._offset = (self._offset + CHANGING) % KEYS

    def snapshot(self) -> Snapshot | None:
        self.move()
        return super().snapshot()


class NotedMaintenance(Maintenance):
    """Notes whether there is something left to do."""

    has_more = True

    def step(self, connection: sqlite3.Connection) -> bool:
        self.has_more = super().step(connection)
        return self.has_more


class CountingStore(SqliteStateStore):
    """Notes how many keys were stored in each checkpoint."""

    def __init__(self, path: Path) -> None:
        self.maintenance = NotedMaintenance()
        super().__init__(path, maintenance=self.maintenance)
        self.keys: list[int] = []

    async def commit(self, epoch: Epoch, /) -> None:
        self.keys.append(sum(len(state.keys) for state in epoch.states.values()))
        await super().commit(epoch)


def make_input(folder: Path) -> None:
    """Write a file of lines of about 80 bytes, and give it many names."""
    chance = random.Random(7)
    users = list(range(CHANGING))
    chance.shuffle(users)  # Each of them once in so many events, in an order of chance.
    first = folder / "0.ndjson"
    with first.open("wb") as file:
        for number in range(EVENTS):
            event = {
                "number": number,
                "user": users[number % CHANGING],
                "path": f"/items/{chance.randrange(10**6)}",
                "status": 200,
                "sent": chance.randrange(100_000),
            }
            file.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
    for number in range(1, FILES):
        (folder / f"{number}.ndjson").hardlink_to(first)


def to_nothing(app: bspump.BSPumpApplication, pipeline: bspump.Pipeline) -> list[Any]:
    """Serialise, and forget."""
    return [
        bspump.common.BytesJsonParser(app, pipeline),
        bspump.common.JsonSerializer(app, pipeline),
        bspump.common.NullSink(app, pipeline),
    ]


def to_file(app: bspump.BSPumpApplication, pipeline: bspump.Pipeline) -> list[Any]:
    """Serialise, and write exactly once: the file gets its name with the checkpoint."""
    config = {
        "path": f"{app.Config['general']['var_dir']}/out/out.ndjson",
        # So that it is only the interval that decides.
        "transaction.max_events": 10**9,
        "transaction.max_bytes": "1TiB",
    }
    return [
        bspump.common.BytesJsonParser(app, pipeline),
        bspump.common.JsonSerializer(app, pipeline),
        bspump.file.FileSink(app, pipeline, config=config),
    ]


def with_state(app: bspump.BSPumpApplication, pipeline: bspump.Pipeline) -> list[Any]:
    """As `to_nothing`, and count by key on the way."""
    parser, *rest = to_nothing(app, pipeline)
    counting = CountPerKey(app, pipeline)
    counting.fill()
    return [parser, counting, *rest]


class Run(NamedTuple):
    """Events per second, per second of processor time, and keys that a checkpoint stored."""

    per_s: float
    per_cpu_s: float
    keys: float


async def measure(build: Build, folder: Path, interval_s: float, seconds: float) -> Run:
    """Run a pipeline for some seconds."""
    with tempfile.TemporaryDirectory(dir=folder) as var_dir:
        options = {"[general] var_dir": var_dir, "[checkpoint] interval": interval_s}
        sets = [word for key, value in options.items() for word in ("--set", f"{key}={value}")]
        app = bspump.BSPumpApplication(args=sets)
        store = CountingStore(Path(var_dir) / "store.sqlite")
        app.CheckpointService.use(store)
        pipeline = bspump.Pipeline(app, "Lines")
        source = bspump.file.FileSource(app, pipeline, config={"path": f"{folder}/*.ndjson"})
        pipeline.build(source, *build(app, pipeline))
        app.PumpService.add_pipeline(pipeline)
        async with app.running():
            await pipeline.checkpoint()  # With all keys, which are put to their places then.
            await _sleep(0.5)
            async with asyncio.timeout(60):
                while build is with_state and store.maintenance.has_more:
                    await _sleep(0.1)
            store.keys.clear()
            passed, per_s, per_cpu_s = await _observe(pipeline, seconds)
            stored = store.keys[:]
            assert passed < EVENTS * FILES, "the input was too short"
        # On a machine that is busy some come late.
        assert not stored if interval_s == NEVER_S else len(stored) >= seconds / 2
    return Run(per_s, per_cpu_s, statistics.mean(stored or [0]))


async def _observe(pipeline: bspump.Pipeline, seconds: float) -> tuple[int, float, float]:
    count = pipeline.Flow.chain.entered
    parts = [part for part in pipeline.iter_processors() if isinstance(part, CountPerKey)]
    begin_s, begin_cpu_s, before = _time_s(), time.process_time(), sum(count())
    for _ in range(round(seconds)):
        await _sleep(1.0)
        if pipeline.App.CheckpointService.Options.interval == NEVER_S:
            for part in parts:
                part.move()
    passed = sum(count())
    made = passed - before
    return passed, made / (_time_s() - begin_s), made / (time.process_time() - begin_cpu_s)


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)  # noqa: TID251 - real time is what is measured


def _time_s() -> float:
    """Return the time, without that in which this thread waited for a processor."""
    waits = Path("/proc/thread-self/schedstat")
    waited_ns = int(waits.read_text().split()[1]) if waits.exists() else 0
    return time.perf_counter() - waited_ns / 1e9


def compare(build: Build, folder: Path, seconds: float, pairs: int) -> tuple[Run, Run, Run]:
    """Return medians: without checkpoints, with them, and ratios."""
    without, with_, ratios = [], [], []
    for _ in range(pairs):
        without.append(asyncio.run(measure(build, folder, NEVER_S, seconds)))
        with_.append(asyncio.run(measure(build, folder, 1.0, seconds)))
        one, other = without[-1], with_[-1]
        ratios.append(Run(other.per_s / one.per_s, other.per_cpu_s / one.per_cpu_s, 1.0))
    return _median(without), _median(with_), _median(ratios)


def _median(runs: list[Run]) -> Run:
    return Run(*map(statistics.median, zip(*runs, strict=True)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each run")
    parser.add_argument("--pairs", type=int, default=5, help="runs without and with checkpoints")
    parser.add_argument("--only", default="", help="part of the title of those to be run")
    given, _ = parser.parse_known_args()
    heading(
        f"A checkpoint every second, {given.seconds:g} s a run, median of {given.pairs} pairs,"
        f" load of the machine {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':40}{'without':>12}{'with':>12}{'keys':>8}{'cost':>8}{'CPU':>8}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_input(folder)
        for title, build, limit in (
            ("no state, to nothing", to_nothing, 0.05),
            ("no state, to a file, exactly once", to_file, 0.05),
            (f"{KEYS:,} keys, 5 % of them change", with_state, 0.15),
        ):
            if given.only not in title:
                continue
            without, with_, ratio = compare(build, folder, given.seconds, given.pairs)
            rates = f"{without.per_s:10,.0f}/s{with_.per_s:10,.0f}/s{with_.keys:8,.0f}"
            cost = f"{1 - ratio.per_s:8.1%}{1 - ratio.per_cpu_s:8.1%}   at most {limit:.0%}"
            print(f"{title:40}{rates}{cost}", flush=True)


if __name__ == "__main__":
    main()
