"""What every store of state promises of the data it is given."""

# ruff: noqa: S101 - a contract asserts

from __future__ import annotations

import asyncio
from typing import Any

from bspump.abc.errors import ConfigError
from bspump.abc.state import Epoch, Snapshot, StateStore

from .base import Contract
from .state_target import ODD, PART, PLAIN, G, StateStoreTarget, epoch_of, exactly, keyed_of


class StateDataContract(Contract[StateStoreTarget]):
    """What every store promises of plain data; part of `StateStoreContract`."""

    async def test_plain_data_comes_back_exactly(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            by_number = Snapshot(value=PLAIN, changed=dict(enumerate(PLAIN)))
            keys = [each for each in PLAIN if not isinstance(each, list | dict)]
            keys = [key for key in keys if repr(key) != "(1, (2, [3, ()]))"]
            by_key = Snapshot(changed=dict.fromkeys([*keys, (2**70, ("\ud800",))], 1))
            await store.commit(epoch_of(store, 1, A=by_number, B=by_key))
        async with target.opened() as store:
            state = await store.load_state(G, "A")
            assert state is not None
            assert exactly(state.value) == exactly(PLAIN)
            assert exactly(list(map(state.keyed.get, range(len(PLAIN))))) == exactly(PLAIN)
            assert await keyed_of(store, "B") == by_key.changed

    async def test_what_is_not_plain_is_refused_and_the_place_is_named(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened() as store:
            for odd in ODD:
                for value in (odd, [odd], {"in": {"here": (odd,)}}):
                    for snapshot in (Snapshot(value=value), Snapshot(changed={"k": value})):
                        message = _refusal(store, snapshot)
                        assert PART in message
                        assert type(odd).__qualname__ in message
            assert "['in']['here'][0]" in _refusal(store, Snapshot(value={"in": {"here": (len,)}}))
            assert "key" in _refusal(store, Snapshot(changed={frozenset(): 1}))
            endless: list[Any] = []
            endless.append(endless)
            assert "deep" in _refusal(store, Snapshot(value=endless))

    async def test_keys_that_are_equal_are_one_key(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            await store.commit(epoch_of(store, 1, P=Snapshot(changed={True: "a", (0.0, "x"): 1})))
            await store.commit(epoch_of(store, 2, P=Snapshot(changed={1.0: "b", (False, "x"): 2})))
            assert await keyed_of(store, "P") == {1: "b", (0, "x"): 2}
            await store.commit(epoch_of(store, 3, P=Snapshot(removed=[1])))
            assert await keyed_of(store, "P") == {(0, "x"): 2}

    async def test_a_snapshot_is_a_value(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            value, state = [1], {"a": [1]}
            epoch = epoch_of(store, 1, P=Snapshot(value=value, changed=state))
            value.append(2)
            state["a"].append(2)
            await store.commit(epoch)
            found = await store.load_state(G, "P")
            assert found is not None
            assert (found.value, found.keyed) == ([1], {"a": [1]})
            found.keyed["a"].append(3)
            assert await keyed_of(store, "P") == {"a": [1]}

    async def test_snapshots_that_follow_each_other_can_be_stored_as_one(
        self, target: StateStoreTarget
    ) -> None:
        first = Snapshot(value=1, changed={"a": 1, "b": 1, "c": 1}, removed=["z"])
        second = Snapshot(version=2, value=2, changed={"b": 2, "d": 2}, removed=["c"])
        whole = Snapshot(changed={"e": 3}, is_complete=True)
        async with target.opened() as store:
            await store.commit(epoch_of(store, 1, P=Snapshot(changed={"y": 0, "z": 0})))
            one, two, three = (store.freeze("P", each) for each in (first, second, whole))
            both = one.followed_by(two)
            await store.commit(Epoch(group=G, number=2, at_s=0, states={"P": both}))
            state = await store.load_state(G, "P")
            assert state is not None
            assert (state.version, state.value) == (2, 2)
            assert state.keyed == {"y": 0, "a": 1, "b": 2, "d": 2}
            assert both.followed_by(three) == three
            replaced = three.followed_by(one)
            await store.commit(Epoch(group=G, number=3, at_s=0, states={"P": replaced}))
            assert await keyed_of(store, "P") == {"e": 3, "a": 1, "b": 1, "c": 1}

    async def test_a_commit_that_is_cancelled_is_whole_or_has_not_happened(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened() as store:
            last = 0
            for number in range(1, 12):
                changed = dict.fromkeys(range(number % 4 * 500 + 1), number)
                snapshot = Snapshot(value=number, changed=changed, is_complete=True)
                commit = asyncio.get_running_loop().create_task(
                    store.commit(epoch_of(store, number, P=snapshot))
                )
                await asyncio.wait([commit], timeout=number % 3 * 0.001)
                commit.cancel()
                await asyncio.wait([commit])
                found = await store.load(G)
                state = await store.load_state(G, "P")
                assert (found is None) == (state is None)
                if found is None or state is None:
                    continue
                assert found.epoch in (last, number)
                last = found.epoch
                assert state.value == found.epoch
                assert set(state.keyed.values()) == {found.epoch}


def _refusal(store: StateStore, snapshot: Snapshot) -> str:
    try:
        store.freeze(PART, snapshot)
    except ConfigError as error:
        return str(error)
    raise AssertionError(f"it was taken: {snapshot}")
