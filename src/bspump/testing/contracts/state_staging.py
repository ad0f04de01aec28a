"""What every store of state promises of epochs that are stored in two steps."""

# ruff: noqa: S101 - a contract asserts

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from bspump.abc.errors import ConfigError, ExhaustedError
from bspump.abc.state import Epoch, PreparedToken, Snapshot, StateStore

from .dead_letters import letter_of
from .state_data import StateDataContract
from .state_target import PART, SINK, SOURCE, G, StateStoreTarget, keyed_of


class StateStagingContract(StateDataContract):
    """What every store promises of staged epochs; part of `StateStoreContract`."""

    async def test_its_lineage_is_its_own_and_stays(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            lineage = store.lineage
            assert len(lineage) == 32
            assert int(lineage, 16)
        async with target.opened() as store:
            assert store.lineage == lineage

    async def test_a_staged_epoch_is_not_the_last_one(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            await store.commit(_epoch(store, 1))
            before = await _contents(store)
            await store.stage(_epoch(store, 2, is_complete=True))
            assert await _contents(store) == before
        async with target.opened() as store:
            assert await _contents(store) == before
            staged = await store.staged(G)
            assert staged is not None
            assert (staged.number, list(staged.deciders)) == (2, [SINK])
            assert list(staged.addresses) == sorted([PART, SOURCE, SINK, "Other"])
            assert await store.staged("another group") is None

    async def test_a_first_epoch_can_be_staged(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            await store.stage(_epoch(store, 1))
            assert await store.load(G) is None
            assert await store.load_state(G, PART) is None
            assert await store.groups() == [G]
        async with target.opened() as store:
            await store.promote(G, 1)
            assert await keyed_of(store, PART) == {"both": 1, 1: "new"}

    async def test_promoting_does_what_a_commit_does(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            ids = await store.dead_letters.put([letter_of(1), letter_of(2)])
            await store.commit(_epoch(store, 1, changed=dict.fromkeys(range(500), "x" * 2000)))
            for position in (1, 2):
                await store.count_attempt(G, SOURCE, position)
            changes: dict[Any, Any] = dict.fromkeys(range(0, 500, 2), "y" * 2000)
            epoch = _epoch(
                store, 2, changed=changes, removed=[1, 3], replayed=[ids[0], 999], letters=1
            )
            await store.stage(epoch)
        async with target.opened() as store:
            await store.promote(G, 2)
            assert await store.staged(G) is None
        async with target.opened() as store:
            found = await store.load(G)
            assert found is not None
            assert (found.epoch, found.at_s, found.positions) == (2, 2.0, {SOURCE: {None: 2}})
            assert found.pending == [PreparedToken("Other", n, {"n": n}) for n in (1, 2)]
            state = await store.load_state(G, PART)
            assert state is not None
            expected: dict[Any, Any] = dict.fromkeys(range(500), "x" * 2000)
            expected |= changes | {"both": 2, 2: "new"}
            del expected[1], expected[3]
            assert (state.version, state.value) == (2, "value 2")
            assert state.keyed == expected
            assert [each.position for each in await store.attempts(G)] == [2]
            letters = await store.dead_letters.find()
            assert [each.replayed_at_s for each in letters] == [2.0, None, None]
            await store.commit(_epoch(store, 3))

    async def test_a_rolled_back_epoch_leaves_nothing(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            await store.commit(_epoch(store, 1))
            before = await _contents(store)
            await store.stage(_epoch(store, 2, letters=2, is_complete=True))
            await store.rollback(G)
            await store.rollback(G)
            await store.rollback("no such group")
            assert await store.staged(G) is None
            await _is_wrong(store.promote(G, 2))
            assert await _contents(store) == before
            await store.stage(_epoch(store, 2))
            await store.promote(G, 2)
            assert await keyed_of(store, PART) == {"both": 2, 1: "new", 2: "new"}

    async def test_only_what_is_staged_is_promoted(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            await store.commit(_epoch(store, 5))
            await _is_wrong(store.stage(_epoch(store, 5)))
            await _is_wrong(store.promote(G, 6))
            await store.stage(_epoch(store, 6))
            await _is_wrong(store.stage(_epoch(store, 7)))
            await _is_wrong(store.commit(_epoch(store, 7)))
            await _is_wrong(store.promote(G, 7))
            await _is_wrong(store.promote("another group", 6))
            staged, found = await store.staged(G), await store.load(G)
            assert staged is not None
            assert found is not None
            assert (staged.number, found.epoch) == (6, 5)
            await store.promote(G, 6)
            await _is_wrong(store.promote(G, 6))

    async def test_a_staged_epoch_finds_room_for_its_letters(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened(max_events=3) as store:
            await store.stage(_epoch(store, 1, letters=2))
            await store.dead_letters.put([letter_of(n) for n in range(3)])
            await store.promote(G, 1)
            assert await store.dead_letters.count() == 5
            try:
                await store.stage(_epoch(store, 2, letters=1))
            except ExhaustedError:
                assert await store.staged(G) is None
            else:
                raise AssertionError("it was taken")

    async def test_a_part_is_renamed_and_dropped_in_what_is_staged(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened() as store:
            await store.stage(_epoch(store, 1))
            await store.move(G, PART, to_address="Orders.Sum")
            await store.move(G, SINK, to_address="Orders.Database")
            await _is_refused(store.move(G, "Orders.Sum", to_group="H", to_address=PART))
            await _is_refused(store.move(G, "Orders.Sum", to_address=SOURCE))
            await store.drop(G, "Other")
            staged = await store.staged(G)
            assert staged is not None
            assert list(staged.deciders) == ["Orders.Database"]
            assert list(staged.addresses) == [SOURCE, "Orders.Database", "Orders.Sum"]
            await store.promote(G, 1)
            found = await store.load(G)
            assert found is not None
            assert (found.versions, found.pending) == ({"Orders.Sum": 1}, [])
            assert await keyed_of(store, "Orders.Sum") == {"both": 1, 1: "new"}

    async def test_an_epoch_about_which_nobody_decides_is_rolled_back(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened() as store:
            await store.commit(_epoch(store, 1))
            await store.stage(_epoch(store, 2))
            await store.drop(G, SINK)
            assert await store.staged(G) is None
            assert await keyed_of(store, PART) == {"both": 1, 1: "new"}
            await store.stage(_epoch(store, 2))
            await store.drop_group(G)
            assert await store.staged(G) is None
            assert await store.groups() == []

    async def test_staging_that_is_cancelled_is_whole_or_has_not_happened(
        self, target: StateStoreTarget
    ) -> None:
        changed: dict[Any, Any] = dict.fromkeys(range(2000), "x" * 100)
        async with target.opened() as store:
            number = 1
            for n in range(12):
                epoch = _epoch(store, number, changed=changed, is_complete=True)
                await _cancelled(store.stage(epoch), n % 3 * 0.001)
                staged = await store.staged(G)
                if staged is None:
                    continue
                await _cancelled(store.promote(G, number), n % 3 * 0.001)
                found = await store.load(G)
                if found is None or found.epoch != number:
                    staged = await store.staged(G)
                    assert staged is not None
                    await store.promote(G, staged.number)
                assert await store.staged(G) is None
                assert await keyed_of(store, PART) == changed | {"both": number, number: "new"}
                number += 1


def _epoch(
    store: StateStore,
    number: int,
    *,
    changed: dict[Any, Any] | None = None,
    removed: Any = (),
    replayed: Any = (),
    letters: int = 0,
    is_complete: bool = False,
) -> Epoch:
    """Return an epoch about which `SINK` decides, with something of everything."""
    keyed: dict[Any, Any] = {**(changed or {}), "both": number, number: "new"}
    snapshot = Snapshot(
        version=number,
        value=f"value {number}",
        changed=keyed,
        removed=removed,
        is_complete=is_complete,
    )
    return Epoch(
        group=G,
        number=number,
        at_s=float(number),
        positions={SOURCE: {None: number}},
        states={PART: store.freeze(PART, snapshot)},
        tokens={"Other": {"n": number}},
        letters=[letter_of(number)] * letters,
        replayed=replayed,
        deciders=[SINK],
    )


async def _contents(store: StateStore) -> list[Any]:
    return [
        await store.load(G),
        await store.load_state(G, PART),
        await store.attempts(G),
        await store.dead_letters.find(),
    ]


async def _cancelled(call: Coroutine[Any, Any, None], after_s: float) -> None:
    task = asyncio.get_running_loop().create_task(call)
    await asyncio.wait([task], timeout=after_s)
    task.cancel()
    await asyncio.wait([task])


async def _is_wrong(call: Coroutine[Any, Any, None]) -> None:
    try:
        await call
    except ValueError as error:
        assert not isinstance(error, ConfigError)  # noqa: PT017 - pytest is optional
    else:
        raise AssertionError("it was accepted")


async def _is_refused(call: Coroutine[Any, Any, None]) -> None:
    try:
        await call
    except ConfigError as error:
        assert "what to do" in str(error)  # noqa: PT017 - pytest is optional
    else:
        raise AssertionError("it was accepted")
