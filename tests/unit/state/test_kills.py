"""A process that is killed at any moment has what it was told is durable, and nothing by halves."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time

import pytest

from bspump.abc.disk_buffer import DiskBufferOptions
from bspump.state import SegmentLog, SqliteStateStore

COMMITTER = """
import asyncio, sys
from bspump.abc.dead_letters import DeadLetter
from bspump.abc.state import Epoch, Snapshot
from bspump.state import SqliteStateStore
from bspump.state.folding import Maintenance

async def main():
    store = SqliteStateStore(sys.argv[1], maintenance=Maintenance(fold_bytes=20_000, step_keys=50))
    await store.open()
    found = await store.load("G")
    number = found.epoch if found else 0
    while True:
        number += 1
        changed = {n * number % 997: number for n in range(200)}
        await store.commit(Epoch(
            group="G", number=number, at_s=0,
            positions={"S": {None: number}},
            tokens={"T": number},
            states={"P": store.freeze("P", Snapshot(value=number, changed=changed))},
            letters=[DeadLetter(
                pipeline="A", part="B", event=number, error_type="E", error_text="e", at_s=0
            )],
        ))
        print(number, flush=True)
        await store.mark("G", number, committed=["T"])

asyncio.run(main())
"""

STAGER = """
import asyncio, os, sys
from bspump.abc.dead_letters import DeadLetter
from bspump.abc.state import Epoch, Snapshot
from bspump.state import SqliteStateStore
from bspump.state.folding import Maintenance

async def main():
    store = SqliteStateStore(sys.argv[1], maintenance=Maintenance(fold_bytes=20_000, step_keys=50))
    await store.open()
    # A sink that keeps the number of the epoch: a file that is replaced.
    decided = sys.argv[1] + ".decided"
    happened = int(open(decided).read()) if os.path.exists(decided) else 0
    staged = await store.staged("G")
    if staged is not None and staged.number == happened:
        await store.promote("G", happened)
    else:
        await store.rollback("G")
    found = await store.load("G")
    number = found.epoch if found else 0
    while True:
        number += 1
        changed = {n * number % 997: number for n in range(200)}
        await store.stage(Epoch(
            group="G", number=number, at_s=0,
            positions={"S": {None: number}},
            tokens={"T": number},
            states={"P": store.freeze("P", Snapshot(value=number, changed=changed))},
            letters=[DeadLetter(
                pipeline="A", part="B", event=number, error_type="E", error_text="e", at_s=0
            )],
            deciders=["D"],
        ))
        with open(decided + ".new", "w") as file:
            file.write(str(number))
        os.replace(decided + ".new", decided)
        print(number, flush=True)
        await store.promote("G", number)
        await store.mark("G", number, committed=["T"])

asyncio.run(main())
"""

APPENDER = """
import asyncio, sys
from bspump.abc.disk_buffer import DiskBufferOptions
from bspump.state import SegmentLog

async def main():
    log = SegmentLog(sys.argv[1], DiskBufferOptions(segment_bytes=10_000))
    await log.open()
    end = log.stats().end
    while True:
        batches = [[b"%d" % n for n in range(end + b * 3, end + b * 3 + 3)] for b in range(5)]
        end = max(await asyncio.gather(*map(log.append, batches)))
        print(end, flush=True)

asyncio.run(main())
"""


def run_and_kill(program, argument, after_s):
    """Run a program, kill it, and return the last number that it has printed completely."""
    command = [sys.executable, "-c", program, str(argument)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        printed = process.stdout.read().split(b"\n")[:-1]
    assert process.returncode == -signal.SIGKILL, "it ended before it was killed"
    return int(printed[-1]) if printed else 0


async def state_of(path):
    store = SqliteStateStore(path)
    await store.open()
    found = await store.load("G")
    state = await store.load_state("G", "P")
    letters = await store.dead_letters.count()
    await store.close()
    return found, state, letters


@pytest.mark.slow
def test_after_a_kill_the_store_holds_one_epoch_and_all_of_it(tmp_path):
    path = tmp_path / "state.db"
    chance = random.Random(5)
    for _ in range(6):
        printed = run_and_kill(COMMITTER, path, chance.uniform(0, 0.2))
        found, state, letters = asyncio.run(state_of(path))
        assert found.epoch >= printed
        expected = {}
        for number in range(1, found.epoch + 1):
            expected |= {n * number % 997: number for n in range(200)}
        assert state.value == letters == found.epoch
        assert found.positions == {"S": {None: found.epoch}}
        assert state.keyed == expected
        assert found.pending[-1:] in ([], [("T", found.epoch, found.epoch)])
    assert found.epoch > 12


async def settled(path):
    """Do what a program does that starts again."""
    happened = int(path.with_name("state.db.decided").read_text())
    store = SqliteStateStore(path)
    await store.open()
    staged = await store.staged("G")
    if staged is not None and staged.number == happened:
        await store.promote("G", happened)
    await store.rollback("G")
    await store.close()
    return happened, staged


@pytest.mark.slow
def test_after_a_kill_a_staged_epoch_is_whole_or_the_last_one_or_was_never_there(tmp_path):
    path = tmp_path / "state.db"
    chance = random.Random(7)
    outcomes = set()
    for _ in range(8):
        printed = run_and_kill(STAGER, path, chance.uniform(0, 0.1))
        happened, staged = asyncio.run(settled(path))
        found, state, letters = asyncio.run(state_of(path))
        assert found.epoch == happened >= printed
        outcomes.add(None if staged is None else staged.number - happened)
        expected = {}
        for number in range(1, happened + 1):
            expected |= {n * number % 997: number for n in range(200)}
        assert state.value == letters == happened
        assert found.positions == {"S": {None: happened}}
        assert state.keyed == expected
    assert outcomes <= {None, 0, 1}
    assert found.epoch > 12


async def records_of(path):
    log = SegmentLog(path, DiskBufferOptions(segment_bytes=10_000))
    await log.open()
    records, position = [], 0
    while position < log.stats().end:
        block = await log.read(position)
        assert (block.dropped, block.damages) == (0, [])
        records += block.records
        position = block.position
    await log.close()
    return records


@pytest.mark.slow
def test_after_a_kill_the_log_holds_all_that_was_appended(tmp_path):
    chance = random.Random(6)
    for _ in range(5):
        printed = run_and_kill(APPENDER, tmp_path, chance.uniform(0, 0.2))
        records = asyncio.run(records_of(tmp_path))
        assert len(records) >= printed
        assert records == [b"%d" % n for n in range(len(records))]
    assert len(records) > 100
    assert len(list(tmp_path.glob("*.segment"))) > 1
