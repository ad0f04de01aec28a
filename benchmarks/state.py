"""What keyed state costs: bytes of memory for a key, with checkpoints on, and time for an event.

A million keys with a state of 64 bytes each go into a `KeyedProcessor`, in a process of its own for
each store. Then 5 % of them, others each time, change between one checkpoint and the next.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from _measure import heading

import bspump
import bspump.common
from bspump.abc.keyed import KeyedProcessor

KEYS = 1_000_000
BATCH = 10_000
CHECKPOINTS = 5

Context = dict[str, Any]


class Remember(KeyedProcessor):
    """Keeps 64 bytes for each key."""

    def key(self, context: Context, event: Any) -> str:
        return f"user-{event:07}"

    def new_state(self) -> bytes:
        return bytes(64)

    def process_keyed(self, state: bytes, context: Context, event: Any) -> None:
        self.replace(event.to_bytes(64, "big"))


class RememberDict(Remember):
    """Keeps a dict for each key, of about as much."""

    def new_state(self) -> Any:
        return {"count": 0, "sum": 0.0, "min": 0.0, "max": 0.0}

    def process_keyed(self, state: Any, context: Context, event: Any) -> None:
        state["count"] += 1
        state["sum"] += event


class Feed(bspump.Source):
    """Waits; events are given to the pipeline directly."""

    async def main(self) -> None:
        await self.stopped()


def resident_bytes() -> int:
    """Return how much of the memory of this process is resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """Return how much it was at the most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def fill(kind: type[Remember], store: str, keys: int, var_dir: str) -> dict[str, Any]:
    """Let there be so many keys, then let some change; return what it took."""
    app = bspump.BSPumpApplication(args=["--set", f"[general] var_dir={var_dir}"])
    pipeline = bspump.Pipeline(app, "Keys")
    part = kind(app, pipeline, config={"store": store})
    pipeline.build(Feed(app, pipeline), part, bspump.common.NullSink(app, pipeline))
    app.PumpService.add_pipeline(pipeline)
    found: dict[str, Any] = {}
    async with app.running():
        await pipeline.process(0)
        await pipeline.checkpoint()
        gc.collect()
        before = resident_bytes()
        begin_s = time.process_time()
        for start in range(0, keys, BATCH):
            await pipeline.process_many(list(range(start, start + BATCH)))
        await pipeline.checkpoint()
        found["new_us"] = (time.process_time() - begin_s) / keys * 1e6
        found["filled_bytes"] = resident_bytes() - before
        chance, begin_s = random.Random(7), time.process_time()
        for _ in range(CHECKPOINTS):
            changing = chance.sample(range(keys), keys // 20)
            for start in range(0, len(changing), BATCH):
                await pipeline.process_many(changing[start : start + BATCH])
            await pipeline.checkpoint()
        found["change_us"] = (time.process_time() - begin_s) / (keys // 20 * CHECKPOINTS) * 1e6
        found["bytes"], found["resident"] = resident_bytes() - before, resident_bytes()
        found["peak"] = peak_bytes()
        assert part.keys() == keys
    return found


def run(kind: type[Remember], store: str, keys: int, sender: Any) -> None:
    """Measure in this process, and send what was found."""
    with tempfile.TemporaryDirectory() as var_dir:
        sender.send(json.dumps(asyncio.run(fill(kind, store, keys, var_dir))))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=KEYS)
    given, _ = parser.parse_known_args()
    heading(f"{given.keys:,} keys with a state of 64 bytes, checkpoints on")
    columns = f"{'a key':>10}{'resident':>12}{'at most':>12}{'new key':>12}{'change':>12}"
    print(f"{'':28}{columns}")
    for title, kind, store, limit in (
        ("memory, 64 bytes", Remember, "memory", "600 B a key"),
        ("memory, a dict", RememberDict, "memory", "-"),
        ("rocksdb, 64 bytes", Remember, "rocksdb", "300 MB resident"),
    ):
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=run, args=(kind, store, given.keys, sender))
        process.start()
        found = json.loads(receiver.recv())
        process.join()
        sizes = f"{found['bytes'] / given.keys:8.0f} B{found['resident'] / 1e6:9.0f} MB"
        peak = f"{found['peak'] / 1e6:9.0f} MB"
        times = f"{found['new_us']:9.1f} us{found['change_us']:9.1f} us"
        print(f"{title:28}{sizes}{peak}{times}   at most {limit}", flush=True)


if __name__ == "__main__":
    main()
