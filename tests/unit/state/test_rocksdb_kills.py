"""A program with keyed state in RocksDB is killed, and goes on exactly at its checkpoint."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rocksdict")

KILLS = 30 if os.environ.get("CI") == "true" else 3
EVENTS, KEYS = 80_000, 3_000

PROGRAM = """
import os, sys
from pathlib import Path
import bspump, bspump.common, bspump.file
from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.abc.keyed import KeyedProcessor
from bspump.state.rocksdb import RocksdbKeyedStore

class Count(KeyedProcessor):
    def key(self, context, event):
        return event["key"]

    def new_state(self):
        return {"count": 0}

    def process_keyed(self, state, context, event):
        state["count"] += 1
        self.set_timer("quiet", event["number"] + 2000)
        if state["count"] == 15:
            self.forget()
            return {"number": event["number"], "full": event["key"]}
        return {"number": event["number"], "count": state["count"]}

    def on_timer(self, state, key, timer):
        self.forget()
        return {"quiet": key, "at": timer.at_ms, "count": state["count"]}

def stamp(context, event):
    context[EVENT_TIME] = context[WATERMARK] = event["number"]
    return event

class Pump(bspump.Pipeline):
    def __init__(self, app, folder, store):
        super().__init__(app, "Pump")
        self.build(
            bspump.file.FileSource(app, self, config={
                "path": folder + "/in.json",
            }),
            bspump.common.BytesJsonParser(app, self),
            stamp,
            Count(app, self, config={"store": store}),
            bspump.file.FileSink(app, self, config={
                "path": folder + "/out-" + store + "/{index:05}.json", "codec": "json",
            }),
        )

def make(part, upgrade):
    # Small, so that there are many files, and more is in memory than on disk now and then.
    root = Path(sys.argv[1]) / "var-rocksdb" / "keyed"
    return RocksdbKeyedStore(part, root, upgrade, flush_bytes=30_000)

folder, store = sys.argv[1:]
app = bspump.BSPumpApplication(args=[
    "--set", f"[general] var_dir={folder}/var-{store}", "--set", "[checkpoint] interval=0.05",
])
RocksdbKeyedStore.make = make
app.PumpService.add_pipeline(Pump(app, folder, store))

def announce(*_):
    os.write(1, b"ready\\n")

app.PubSub.subscribe("Application.init!", announce)
sys.exit(app.run())
"""


def _program(folder: Path, store: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, str(folder), store]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)


def _finish(folder: Path, store: str) -> bytes:
    with _program(folder, store) as process:
        process.communicate(timeout=100)
    assert process.returncode == 0, (folder / "log").read_text()[-3000:]
    files = sorted((folder / f"out-{store}").glob("*.json"))
    return b"".join(file.read_bytes() for file in files)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_killed_gives_what_an_undisturbed_run_gives(tmp_path: Path) -> None:
    chance = random.Random(5)
    with (tmp_path / "in.json").open("w") as file:
        for number in range(EVENTS):
            file.write(f'{{"number": {number}, "key": "k{int(chance.expovariate(3 / KEYS))}"}}\n')
    expected = _finish(tmp_path, "memory")
    assert expected.count(b"full") > 100
    assert expected.count(b"quiet") > 1000
    deaths = 0
    while deaths < KILLS:
        with _program(tmp_path, "rocksdb") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", (
                f"{process.wait()} {(tmp_path / 'log').read_text()[-3000:]}"
            )
            time.sleep(chance.uniform(0.02, 0.25))
            if process.poll() is not None:
                break
            process.kill()
        deaths += 1
    assert deaths >= 2, "it was done before it could be killed"
    assert _finish(tmp_path, "rocksdb") == expected
    assert list((tmp_path / "var-rocksdb" / "keyed").glob("*/*.sst"))
