"""Keyed state in RocksDB: as in memory, and what can go wrong with files."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial

import pytest

from bspump.abc.errors import ConfigError
from bspump.abc.keyed import KeyedProcessor
from bspump.state import rocksdb
from bspump.testing import Harness, eventually

pytest.importorskip("rocksdict")


class Count(KeyedProcessor):
    def key(self, context, event):
        return event

    def new_state(self):
        return {"count": 0}

    def process_keyed(self, state, context, event):
        state["count"] += 1
        if state["count"] == 5:
            self.forget()
        return (event, state["count"])


class Newer(Count):
    Version = 2
    migrated = 0

    def migrate(self, version, key, state):
        type(self).migrated += 1
        return {"count": state["count"] + 1000}


class Program:
    """A program that is run several times; its source goes on behind what it has read."""

    def __init__(self, var_dir):
        self.var_dir, self.read = var_dir, 0

    async def run(self, *events, store="rocksdb", part=Count, checkpoints=1):
        harness = Harness(["--set", f"[general] var_dir={self.var_dir}"])
        pipeline = harness.chain(partial(part, id="Count", config={"store": store}))
        async with harness:
            # Nothing has been read before the first run.
            harness.send(["past"] * self.read)
            each = -(-len(events) // checkpoints)
            for start in range(0, len(events), max(each, 1)):
                harness.send(list(events[start : start + each]))
                await harness.settle()
            self.read += len(events)
            self.keys = next(iter(pipeline.iter_processors())).keys()
            return harness.out()

    def directory(self):
        (found,) = (self.var_dir / "keyed").iterdir()
        return found


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path / "var")


async def test_state_outlives_the_process(program):
    assert await program.run("a", "b", "a") == [("a", 1), ("b", 1), ("a", 2)]
    assert await program.run("a", "c") == [("a", 3), ("c", 1)]
    assert program.keys == 3
    assert program.directory().stat().st_mode & 0o077 == 0


async def test_what_was_forgotten_stays_forgotten(program):
    await program.run(*"aaaab")
    await program.run("a")
    assert program.keys == 1
    assert await program.run("a") == [("a", 1)]


async def test_what_is_on_disk_is_read_again(program, monkeypatch):
    monkeypatch.setattr(rocksdb, "FLUSH_BYTES", 1)
    monkeypatch.setattr(rocksdb.RocksdbKeyedStore.__init__, "__kwdefaults__", {"flush_bytes": 1})
    keys = [f"k{number}" for number in range(200)]
    await program.run(*keys, *keys[:50], checkpoints=10)
    assert list(program.directory().glob("*.sst"))
    assert await program.run("k0", "k199") == [("k0", 3), ("k199", 2)]
    assert program.keys == 200


async def test_state_moves_from_memory_to_rocksdb_and_not_back(program):
    await program.run("a", "b", store="memory")
    assert await program.run("a") == [("a", 2)]
    assert await program.run("b", "a") == [("b", 2), ("a", 3)]
    with pytest.raises(ConfigError, match="its state is kept in 'rocksdb'"):
        await program.run("a", store="memory")


async def test_an_older_state_is_migrated_when_it_is_needed(program):
    await program.run("a", "b", "c")
    Newer.migrated = 0
    assert await program.run("a", part=Newer) == [("a", 1002)]
    assert Newer.migrated == 1
    assert await program.run("a", "b", part=Newer) == [("a", 1003), ("b", 1002)]
    assert Newer.migrated == 2


async def test_without_a_directory_it_is_refused_when_the_pipeline_is_built():
    harness = Harness()
    with pytest.raises(ConfigError, match="set `var_dir`"):
        harness.chain(partial(Count, config={"store": "rocksdb"}))


async def test_files_of_another_checkpoint_are_refused(program):
    await program.run("a", "b")
    old = program.var_dir.with_name("old")
    shutil.copytree(program.var_dir, old)
    await program.run("a")
    await program.run("a")
    name = program.directory().name
    newer = program.directory().rename(program.var_dir.with_name("newer"))
    with pytest.raises(ConfigError, match="there is no directory"):
        await program.run("a")
    shutil.copytree(old / "keyed" / name, program.var_dir / "keyed" / name)
    with pytest.raises(ConfigError, match="does not belong to the checkpoint"):
        await program.run("a")
    shutil.rmtree(program.var_dir)
    shutil.copytree(old, program.var_dir)
    shutil.rmtree(program.var_dir / "keyed" / name)
    newer.rename(program.var_dir / "keyed" / name)
    with pytest.raises(ConfigError, match="does not belong to the checkpoint"):
        await program.run("a")


async def test_much_that_has_changed_asks_for_a_checkpoint(program, monkeypatch):
    monkeypatch.setattr(rocksdb, "_UNSTORED_KEYS", 100)
    never = ["--set", "[checkpoint] interval=100000"]
    harness = Harness(["--set", f"[general] var_dir={program.var_dir}", *never])
    pipeline = harness.chain(partial(Count, id="Count", config={"store": "rocksdb"}))
    async with harness:
        store_keys = []
        for start in range(0, 2000, 50):
            await pipeline.process_many(list(range(start, start + 50)))
            part = next(iter(pipeline.iter_processors()))
            store_keys.append(len(part._store._dirty))
            await harness.app.Clock.sleep(0)
        assert part.keys() == 2000
        assert max(store_keys) < 1000
        assert not pipeline.get_throttles()


async def test_while_nothing_becomes_durable_the_pipeline_waits(program, monkeypatch):
    monkeypatch.setattr(rocksdb, "_UNSTORED_KEYS", 100)
    harness = Harness(["--set", f"[general] var_dir={program.var_dir}"])
    pipeline = harness.chain(partial(Count, id="Count", config={"store": "rocksdb"}))
    store, is_disk_well = harness.app.CheckpointService.Store, asyncio.Event()
    commit = store.commit

    async def slow_commit(epoch):
        await is_disk_well.wait()
        await commit(epoch)

    monkeypatch.setattr(store, "commit", slow_commit)
    async with harness:

        async def feed():
            for start in range(0, 5000, 50):
                await pipeline.process_many(list(range(start, start + 50)))
                await harness.app.Clock.sleep(0.001)

        feeding = asyncio.ensure_future(feed())
        part = next(iter(pipeline.iter_processors()))
        await eventually(pipeline.get_throttles)
        await harness.app.Clock.sleep(0.1)
        assert part.keys() < 2500
        is_disk_well.set()
        await feeding
        assert part.keys() == 5000
        assert not pipeline.get_throttles()


async def test_what_rocksdb_refuses_is_written_again_and_shown(program, monkeypatch):
    write, failures = rocksdb.RocksdbFiles.write, [OSError("no room"), OSError("no room")]

    def write_later(self, *arguments):
        if failures:
            raise failures.pop()
        write(self, *arguments)

    monkeypatch.setattr(rocksdb.RocksdbFiles, "write", write_later)
    monkeypatch.setattr(rocksdb, "_AGAIN_S", 0.01)
    harness = Harness(["--set", f"[general] var_dir={program.var_dir}"])
    pipeline = harness.chain(partial(Count, id="Count", config={"store": "rocksdb"}))
    async with harness:
        await pipeline.process("a")
        await pipeline.checkpoint()
        await eventually(pipeline.has_error)
        await eventually(lambda: not failures)
        assert "no room" in str(harness.errors[0].error)
        await eventually(lambda: pipeline.set_error(None, None, None) or not pipeline.has_error())
        await pipeline.process("a")
        assert harness.out() == [("a", 1), ("a", 2)]
    assert await program.run("a") == [("a", 3)]


async def test_a_directory_goes_along_when_the_part_is_renamed(program):
    await program.run("a", "b")
    renamed = ["--set", "[checkpoint] renamed=Test.Count->Test.Other"]
    harness = Harness(["--set", f"[general] var_dir={program.var_dir}", *renamed])
    pipeline = harness.chain(partial(Count, id="Other", config={"store": "rocksdb"}))
    async with harness:
        await pipeline.process("a")
        await harness.settle()
        assert harness.out() == [("a", 2)]
    assert program.directory()


async def test_a_pipeline_that_is_removed_lets_go_of_its_files(program):
    await program.run("a")
    harness = Harness(["--set", f"[general] var_dir={program.var_dir}"])
    async with harness:
        for count in (2, 3):
            pipeline = harness.chain(partial(Count, id="Count", config={"store": "rocksdb"}))
            await pipeline.process("a")
            await pipeline.checkpoint()
            assert harness.out() == [("a", count)]
            await harness.app.PumpService.del_pipeline(pipeline)


async def test_another_program_cannot_use_the_files(program):
    await program.run("a")
    harness = Harness(["--set", f"[general] var_dir={program.var_dir}"])
    harness.chain(partial(Count, id="Count", config={"store": "rocksdb"}))
    async with harness:
        await harness.settle()
        files = rocksdb.RocksdbFiles()
        with pytest.raises(ConfigError, match="cannot be opened"):
            files.open(program.directory())
    files.open(program.directory())
    files.close()
    files.close()
