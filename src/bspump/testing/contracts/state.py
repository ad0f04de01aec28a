"""What every store of state promises."""

# ruff: noqa: S101 - a contract asserts

from __future__ import annotations

from typing import Any

from bspump.abc.dead_letters import DeadLetterOptions
from bspump.abc.errors import ConfigError
from bspump.abc.state import Epoch, PreparedToken, Snapshot

from .base import does_not_apply
from .state_staging import StateStagingContract
from .state_target import PART, SINK, SOURCE, G, StateStoreTarget, epoch_of, keyed_of


class StateStoreContract(StateStagingContract):
    """What every store promises of checkpoints. Subclass it and provide the fixture `target`."""

    async def test_a_new_store_has_nothing(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            assert await store.load(G) is None
            assert await store.load_state(G, PART) is None
            assert await store.groups() == []
            assert await store.attempts(G) == []

    async def test_all_of_an_epoch_is_there_after_a_restart(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            snapshot = Snapshot(version=3, value=[1, (2,)], changed={"a": {"n": 1}})
            epoch = Epoch(
                group=G,
                number=7,
                at_s=1234.5,
                fingerprint="abc",
                positions={SOURCE: {("topic", 0): 15, None: {"offset": 3}}},
                states={PART: store.freeze(PART, snapshot)},
                tokens={SINK: {"transaction": 9}},
            )
            await store.commit(epoch)
        async with target.opened() as store:
            found = await store.load(G)
            assert found is not None
            assert (found.group, found.epoch, found.at_s) == (G, 7, 1234.5)
            assert found.fingerprint == "abc"
            assert found.positions == epoch.positions
            assert found.versions == {PART: 3}
            assert found.pending == [PreparedToken(SINK, 7, {"transaction": 9})]
            assert found.unacknowledged == {SOURCE}
            assert await store.groups() == [G]
            state = await store.load_state(G, PART)
            assert state is not None
            assert (state.version, state.value, state.keyed) == (3, [1, (2,)], {"a": {"n": 1}})

    async def test_only_what_changed_has_to_be_named(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            changed: dict[Any, Any] = {n: n for n in range(10)}
            await store.commit(epoch_of(store, 1, P=Snapshot(changed=changed), Q=Snapshot(value=1)))
            changes = Snapshot(version=2, value="v", changed={3: "new", 5: "back"}, removed=[4, 5])
            await store.commit(epoch_of(store, 2, P=changes))
            changed |= {3: "new", 5: "back"}
            del changed[4]
        async with target.opened() as store:
            assert await keyed_of(store, "P") == changed
            found = await store.load(G)
            assert found is not None
            assert (found.epoch, found.versions) == (2, {"P": 2, "Q": 1})

    async def test_a_complete_snapshot_replaces_what_was_stored(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened() as store:
            await store.commit(epoch_of(store, 1, P=Snapshot(changed={"a": 1, "b": 2})))
            complete = Snapshot(changed={"b": 3}, is_complete=True)
            await store.commit(epoch_of(store, 2, P=complete))
            assert await keyed_of(store, "P") == {"b": 3}
            await store.commit(epoch_of(store, 3, P=Snapshot(changed={"c": 4})))
        async with target.opened() as store:
            assert await keyed_of(store, "P") == {"b": 3, "c": 4}

    async def test_groups_do_not_see_each_other(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            for group, number in (("A", 5), ("B", 1)):
                state = store.freeze("P", Snapshot(changed={"of": group}))
                positions = {SOURCE: {None: group}}
                await store.commit(
                    Epoch(
                        group=group,
                        number=number,
                        at_s=0,
                        states={"P": state},
                        positions=positions,
                    )
                )
            assert await store.groups() == ["A", "B"]
            await store.drop_group("A")
            await store.drop_group("no such group")
            assert await store.groups() == ["B"]
            assert await store.load_state("A", "P") is None
            assert await keyed_of(store, "P", "B") == {"of": "B"}

    async def test_the_numbers_of_epochs_increase(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            await store.commit(epoch_of(store, 5, P=Snapshot(value="old")))
            for number in (5, 4, 0):
                try:
                    await store.commit(epoch_of(store, number, P=Snapshot(value="new")))
                except ValueError as error:
                    assert not isinstance(error, ConfigError)  # noqa: PT017 - pytest is optional
                else:
                    raise AssertionError(f"epoch {number} was accepted after 5")
            state = await store.load_state(G, "P")
            assert state is not None
            assert state.value == "old"

    async def test_positions_of_a_source_are_replaced_together(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened() as store:
            steps: list[dict[str, Any]] = [{"A": {0: 1, 1: 1}, "B": {None: 1}}, {"A": {1: 2}}]
            for number, positions in enumerate(steps, 1):
                await store.commit(Epoch(group=G, number=number, at_s=0, positions=positions))
            found = await store.load(G)
            assert found is not None
            assert found.positions == {"A": {1: 2}, "B": {None: 1}}

    async def test_a_token_is_kept_until_it_is_committed(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            for n in (1, 2, 3):
                tokens = {"S": f"s{n}", "T": f"t{n}"}
                await store.commit(Epoch(group=G, number=n, at_s=0, tokens=tokens))
            await store.mark(G, 2, committed=["S", "nobody"])
            await store.mark("no such group", 2, committed=["S"])
            found = await store.load(G)
            assert found is not None
            assert [token.token for token in found.pending] == ["t1", "t2", "s3", "t3"]
        async with target.opened() as store:
            await store.mark(G, 3, committed=["S", "T"])
            found = await store.load(G)
            assert found is not None
            assert found.pending == []

    async def test_a_source_is_unacknowledged_until_it_is_marked(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened() as store:
            for number, names in ((1, "AB"), (2, "A")):
                positions = {name: {None: number} for name in names}
                await store.commit(Epoch(group=G, number=number, at_s=0, positions=positions))
            await store.mark(G, 1, acknowledged=["A", "B"])
            found = await store.load(G)
            assert found is not None
            assert found.unacknowledged == {"A"}
            await store.mark(G, 2, acknowledged=["A"])
            await store.mark(G, 1, acknowledged=["A"])
            found = await store.load(G)
            assert found is not None
            assert found.unacknowledged == set()

    async def test_what_fits_the_program_and_what_does_not_is_known(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened() as store:
            frozen = store.freeze("Old", Snapshot(value=1))
            await store.commit(
                Epoch(
                    group=G,
                    number=1,
                    at_s=0,
                    states={"Old": frozen, "Same": frozen},
                    positions={"OldSource": {None: 1}},
                    tokens={"OldSink": 1},
                )
            )
            found = await store.load(G)
            assert found is not None
            differs = found.difference(parts=["Same", "New"], sources=["NewSource"], sinks=[])
            assert differs.unclaimed_parts == ["Old"]
            assert differs.new_parts == ["New"]
            assert differs.unclaimed_sources == ["OldSource"]
            assert differs.new_sources == ["NewSource"]
            assert differs.unclaimed_sinks == ["OldSink"]

    async def test_a_renamed_part_keeps_everything(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            await store.commit(
                Epoch(
                    group=G,
                    number=3,
                    at_s=0,
                    positions={"P": {0: 9}},
                    states={"P": store.freeze("P", Snapshot(version=2, changed={"a": 1}))},
                    tokens={"P": "t"},
                )
            )
            await store.count_attempt(G, "P", 9, partition=0)
            await store.commit(epoch_of(store, 4, Other=Snapshot()))
            await store.move(G, "P", to_address="Q")
            await store.move(G, "Q", to_group="New", to_address="R")
            assert await store.load_state(G, "P") is None
            found = await store.load("New")
            assert found is not None
            assert (found.epoch, found.positions) == (4, {"R": {0: 9}})
            assert found.versions == {"R": 2}
            assert found.pending == [PreparedToken("R", 3, "t")]
            assert await keyed_of(store, "R", "New") == {"a": 1}
            assert [each.source for each in await store.attempts("New")] == ["R"]
            left = await store.load(G)
            assert left is not None
            assert (left.epoch, left.positions, left.versions) == (4, {}, {"Other": 1})

    async def test_nothing_is_moved_from_nowhere_or_onto_something(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened() as store:
            await store.commit(epoch_of(store, 1, P=Snapshot(value=1), Q=Snapshot(value=2)))
            for source, to, named in (("P", "Q", "Q"), ("nothing", "R", "nothing"), ("P",) * 3):
                await _is_refused(store.move(G, source, to_address=to), named)
            await _is_refused(store.move("no such group", "P", to_address="R"), "P")
            await _is_refused(store.drop(G, "nothing"), "nothing")
            found = await store.load(G)
            assert found is not None
            assert found.versions == {"P": 1, "Q": 1}

    async def test_a_dropped_part_is_forgotten(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            states = {"P": Snapshot(changed={"a": 1}), "Q": Snapshot(changed={"b": 2})}
            await store.commit(epoch_of(store, 1, **states))
            await store.drop(G, "P")
            await store.commit(epoch_of(store, 2, P=Snapshot(changed={"c": 3})))
        async with target.opened() as store:
            assert await keyed_of(store, "P") == {"c": 3}
            assert await keyed_of(store, "Q") == {"b": 2}

    async def test_attempts_are_counted_over_restarts(self, target: StateStoreTarget) -> None:
        for times in (1, 2, 3):
            async with target.opened() as store:
                assert await store.count_attempt(G, "S", {"offset": 5}, partition=(0,)) == times
                assert await store.count_attempt(G, "S", {"offset": 6}, partition=(0,)) == times
        async with target.opened() as store:
            await store.count_attempt(G, "S", {"offset": 5}, partition=(0,))
            found = [tuple(each) for each in await store.attempts(G)]
            assert found == [("S", (0,), {"offset": 6}, 3), ("S", (0,), {"offset": 5}, 4)]

    async def test_attempts_are_forgotten_when_the_position_moves_on(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened() as store:
            for number, positions in ((1, {0: 1, 1: 1}), (2, {0: 1, 1: 2})):
                for partition, position in ((0, 1), (0, 3), (1, 1), (1, 2)):
                    await store.count_attempt(G, "S", position, partition=partition)
                await store.count_attempt(G, "T", 1)
                epoch = Epoch(group=G, number=number, at_s=0, positions={"S": positions})
                await store.commit(epoch)
            found = sorted([tuple(each) for each in await store.attempts(G)], key=repr)
            # Partition 0 did not move from 1; partition 1 moved from 1 to 2.
            assert found == [("S", 0, 1, 2), ("S", 0, 3, 1), ("S", 1, 2, 1), ("T", None, 1, 2)]

    async def test_a_second_user_is_refused_and_told_who_has_it(
        self, target: StateStoreTarget
    ) -> None:
        if not target.is_exclusive:
            does_not_apply("it may have several users")
        async with target.opened():
            second = target.make(DeadLetterOptions())
            await _is_refused(second.open(), "process ")
            await second.close()
        async with target.opened():
            pass

    async def test_closing_twice_is_fine(self, target: StateStoreTarget) -> None:
        store = target.make(DeadLetterOptions())
        await store.close()
        await store.open()
        await store.close()
        await store.close()
        async with target.opened() as again:
            assert await again.groups() == []


async def _is_refused(call: Any, named: str) -> None:
    try:
        await call
    except ConfigError as error:
        assert named in str(error)  # noqa: PT017 - pytest is optional
        assert "what to do" in str(error)  # noqa: PT017
    else:
        raise AssertionError("it was not refused")
