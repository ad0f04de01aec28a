"""What a keyed processor remembers outlives the process, and changes of the program."""

from __future__ import annotations

from functools import partial

import pytest
from keyed_counting import Count, counting, feed

from bspump.abc.errors import ConfigError
from bspump.state import MemoryStateStore
from bspump.testing import Harness, virtual_time


class Newer(Count):
    Version = 3

    def migrate(self, version, key, state):
        return {"count": state * 100 if version == 2 else state["count"] * 100}


class Store(MemoryStateStore):
    """Outlives programs, and knows how much they have read: their source goes on behind it."""

    read = 0


async def live(store, config, *events, part=Count, args=(), id="Count"):
    """Run a program that goes on with what is stored; return what came out, and some keys."""
    harness = Harness(args, store=store)
    found = counting(harness, config, partial(part, id=id))
    async with harness:
        await feed(harness, *[("past", 0)] * store.read, *events)
        store.read += len(events)
        return harness.out(), {k: found.inspect(k) for k in ("a", "b", "c")}


@virtual_time
async def test_state_and_timers_outlive_the_process():
    store = Store()
    await live(store, {}, ("a", 5, ("set_timer", "x", 100)), ("b", 7))
    out, found = await live(store, {}, ("a", 50), ("c", 100))
    assert out == ["a:2", "a x 100", "c:1"]
    assert found["b"]["State"] == {"count": 1}


@virtual_time
async def test_a_key_that_was_the_last_one_stays_forgotten():
    store = Store()
    await live(store, {}, ("a", 5))
    await live(store, {}, ("a", 6, ("forget",)))
    out, _ = await live(store, {}, ("a", 7))
    assert out == ["a:1"]


@virtual_time
async def test_time_to_live_goes_on_where_it_was():
    store = Store()
    await live(store, {"ttl": 10}, ("a", 0), ("b", 5_000))
    _, found = await live(store, {"ttl": 10}, ("c", 12_000))
    assert (found["a"], found["b"]["Last"]) == (None, 5_000)


@virtual_time
async def test_with_a_new_time_to_live_keys_live_from_then_on():
    store = Store()
    await live(store, {"ttl": 10}, ("a", 0))
    await live(store, {}, ("b", 20_000))
    _, found = await live(store, {"ttl": 10}, ("c", 100_000), ("c", 109_999))
    assert found["a"]
    assert found["b"]
    _, found = await live(store, {"ttl": 10}, ("c", 110_156))
    assert (found["a"], found["b"]) == (None, None)


@virtual_time
async def test_what_has_not_changed_is_not_stored_again():
    async with Harness(store=MemoryStateStore()) as harness:
        part = counting(harness)
        await feed(harness, ("a", 0), ("b", 0))
        assert part.snapshot() is None
        await harness.pipelines[0].process({"key": "a"})
        assert list(part.snapshot().changed) == ["a"]


@virtual_time
async def test_an_older_state_is_migrated_once():
    store = Store()
    await live(store, {}, ("a", 0), ("b", 0))
    out, found = await live(store, {}, ("a", 1), part=Newer)
    assert out == ["a:101"]
    assert found["b"]["State"] == {"count": 100}
    out, found = await live(store, {}, ("a", 2), part=Newer)
    assert out == ["a:102"]
    assert found["b"]["State"] == {"count": 100}


@virtual_time
async def test_a_newer_state_and_one_that_cannot_be_migrated_are_refused():
    class NoWay(Count):
        Version = 2

    store = Store()
    await live(store, {}, ("a", 0), part=Newer)
    with pytest.raises(ConfigError, match=r"expected: at most 1"):
        await live(store, {}, ("a", 0))
    older = Store()
    await live(older, {}, ("a", 0))
    with pytest.raises(ConfigError, match=r"define NoWay.migrate"):
        await live(older, {}, ("a", 0), part=NoWay)


@virtual_time
async def test_a_state_goes_along_when_the_part_is_renamed():
    store = Store()
    await live(store, {}, ("a", 0, ("set_timer", "x", 100)))
    renamed = ["--set", "[checkpoint] renamed=Test.Count->Test.Other"]
    out, _ = await live(store, {}, ("a", 1), ("a", 100), args=renamed, id="Other")
    assert out == ["a:2", "a x 100", "a:3"]
