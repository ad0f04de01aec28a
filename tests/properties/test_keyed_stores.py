"""Stores of keyed state are as they were at the last durable checkpoint, wherever a crash comes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.keyed_store import MemoryKeyedStore
from bspump.abc.state import Snapshot
from bspump.state.freezing import freeze, thaw
from bspump.state.plain import decode
from bspump.state.rocksdb import RocksdbKeyedStore

KEYS = ["a", "b", 3, ("c", 1), b"d", ""]

steps = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.sampled_from(KEYS)),
        st.tuples(st.just("count"), st.sampled_from(KEYS)),
        st.tuples(st.just("remove"), st.sampled_from(KEYS)),
        st.just(("snapshot",)),
        st.just(("commit",)),
        st.just(("write",)),
        st.just(("epoch",)),
        st.just(("crash",)),
    ),
    max_size=40,
)


class Part:
    """What a store needs of a part; its tasks run when they are told to."""

    def __init__(self):
        self.App = self.Pipeline = self
        self.tasks = []

    def locate_address(self):
        return "Test.Part"

    def spawn(self, coro, name):
        task = SimpleNamespace(coro=coro, is_done=False)
        task.done = lambda: task.is_done
        self.tasks.append(task)
        return task

    async def run(self):
        for task in self.tasks:
            await task.coro
            task.is_done = True
        self.tasks.clear()

    def crash(self):
        for task in self.tasks:
            task.coro.close()

    def request_checkpoint(self):
        pass

    def throttle(self, who, enable=True):
        pass


class Memory:
    """A store that keeps all of it in memory."""

    def __init__(self):
        self.part = Part()

    def make(self):
        return MemoryKeyedStore(lambda key, record: False)

    def crash(self, store):
        pass

    def end(self):
        pass


class Rocksdb:
    """A store on disk. A crash leaves what was flushed, as it would be found."""

    def __init__(self):
        self.part = Part()
        self.root = Path(tempfile.mkdtemp())
        self.lives = 0

    def make(self):
        root = self.root / str(self.lives)
        return RocksdbKeyedStore(self.part, root, lambda key, record: False, flush_bytes=60)

    def crash(self, store):
        self.part.crash()
        self.part = Part()
        old, self.lives = self.root / str(self.lives), self.lives + 1
        if old.exists():
            # Before it is closed, which would flush what it has in memory.
            _copy(old, self.root / str(self.lives))
        store._files._db = None
        store._close()

    def end(self):
        shutil.rmtree(self.root)


def _copy(old, new):
    """Copy a directory as it is at one moment, though RocksDB tidies up meanwhile."""
    while True:
        before = sorted(old.rglob("*"))
        try:
            shutil.copytree(old, new)
            if sorted(old.rglob("*")) == before:
                return
        except shutil.Error:
            pass
        shutil.rmtree(new)


class Checkpoints:
    """The store of checkpoints: what was committed is in it, what was handed over is merged."""

    def __init__(self):
        self.keyed, self.value, self.waiting, self.model = {}, None, None, {}
        self.waiting_model = None

    def take(self, store, model):
        changed, removed, note, is_complete = store.changes()
        if not changed and not removed and self.value is None:
            return
        value = {"note": note}
        frozen = freeze(
            "Test.Part",
            Snapshot(value=value, changed=changed, removed=removed, is_complete=is_complete),
        )
        self.waiting = frozen if self.waiting is None else self.waiting.followed_by(frozen)
        self.waiting_model = dict(model)

    def commit(self, store):
        frozen, self.waiting = self.waiting, None
        if frozen is None:
            return
        if frozen.is_complete:
            self.keyed.clear()
        self.keyed.update(zip(frozen.keys, frozen.values, strict=True))
        self.value, self.model = frozen.value, self.waiting_model
        store.stored(frozen)

    def restore(self, store):
        self.waiting = None
        if self.value is not None:
            keyed = {key: value for key, value in self.keyed.items() if value}
            state = thaw(1, self.value, keyed)
            store.load(state.keyed, state.value["note"])
        return dict(self.model)


def _spread(todo):
    for step in todo:
        yield from [("snapshot",), ("commit",), ("write",)] if step == ("epoch",) else [step]


async def live(world, todo):
    checkpoints, store, model = Checkpoints(), world.make(), {}
    try:
        for step, *arguments in _spread([*todo, ("crash",)]):
            if step == "count":
                (key,) = arguments
                record = store.get(key)
                if record is None:
                    record = [0, None, None, 1]
                    store.add(key, record)
                else:
                    store.note(key, record)
                record[0] += 1
                model[key] = model.get(key, 0) + 1
            elif step == "remove":
                (key,) = arguments
                if store.get(key) is not None:
                    store.remove(key)
                model.pop(key, None)
            elif step == "snapshot":
                checkpoints.take(store, model)
            elif step == "commit":
                checkpoints.commit(store)
            elif step == "write":
                await world.part.run()
            elif step == "crash":
                world.crash(store)
                store = world.make()
                model = checkpoints.restore(store)
            assert len(store) == len(model)
            assert {key: record[0] for key, record in store.items()} == model
            assert all(store.get(key)[0] == count for key, count in model.items())
            assert all(store.get(key) is None for key in KEYS if key not in model)
        return checkpoints
    finally:
        world.crash(store)
        world.end()


@given(steps)
def test_in_memory(todo):
    asyncio.run(live(Memory(), todo))


@given(steps)
def test_in_rocksdb(todo):
    pytest.importorskip("rocksdict")
    asyncio.run(live(Rocksdb(), todo))


def test_what_rocksdb_has_on_disk_is_not_in_checkpoints_any_more():
    pytest.importorskip("rocksdict")
    todo = []
    for number in range(30):
        todo += [("count", KEYS[number % len(KEYS)]), ("epoch",)]
    checkpoints = asyncio.run(live(Rocksdb(), todo))
    note = decode(checkpoints.value)["note"]
    assert note["number"] > note["flushed"] > 20
    assert len(checkpoints.keyed) < len(KEYS)
