"""The as-of join and the temporal join: what was valid, and what comes too late to matter."""

from __future__ import annotations

import pytest

from bspump.abc.errors import ConfigError
from bspump.join import AsOfJoin, TemporalJoin
from bspump.testing import Harness, virtual_time

SKIP = {"on_error": "skip"}


@virtual_time
async def test_the_newest_before_counts_whatever_order_events_come_in(joins):
    events = [joins.left(5), joins.right(6), joins.right(2), joins.right(4), joins.left(3)]
    found = await joins.out(AsOfJoin, [*events, joins.left(1)], lateness="10s")
    assert found == [(1, None), (3, 2), (5, 4)]


@virtual_time
async def test_one_of_the_same_time_counts_even_if_it_comes_later(joins):
    events = [joins.right(1), joins.left(5), joins.right(5)]
    assert await joins.out(AsOfJoin, events) == [(5, 5)]


@virtual_time
async def test_of_the_same_time_the_last_one_counts(joins):
    events = [joins.right(1, value=1), joins.right(1, value=2), joins.left(2)]
    async with Harness() as harness:
        harness.chain(joins.clock(), joins.make(AsOfJoin))
        harness.send(events)
        await harness.finish()
        assert harness.out()[0]["right"]["value"] == 2


@pytest.mark.parametrize(("kind", "expected"), [("left", [(4, 1), (5, None)]), ("inner", [(4, 1)])])
@virtual_time
async def test_what_is_too_old_does_not_count(joins, kind, expected):
    events = [joins.right(1), joins.left(4), joins.left(5)]
    assert await joins.out(AsOfJoin, events, max_age="3s", kind=kind) == expected


@virtual_time
async def test_what_is_too_old_is_forgotten_also_where_nothing_comes_of_its_key(joins):
    async with Harness() as harness:
        harness.chain(joins.clock(), joins.make(AsOfJoin, max_age="3s", id="Join"))
        join = harness.app.PumpService.locate("Test.Join")
        harness.send([joins.right(1), joins.right(4, "b")])
        await harness.settle()
        assert join.keys() == 2
        harness.send([joins.right(4.001, "b")])
        await harness.settle()
        assert join.keys() == 1


@virtual_time
async def test_of_many_versions_only_those_that_are_needed_are_kept(joins):
    async with Harness() as harness:
        harness.chain(joins.clock(), joins.make(AsOfJoin, id="Join", config={"max_events": 3}))
        harness.send([joins.right(n) for n in range(100)])
        await harness.settle()
        kept = harness.app.PumpService.locate("Test.Join").inspect("a")["State"][1]
        assert len(kept) == 2


@virtual_time
async def test_a_late_left_event_finds_what_was_valid_then_within_the_retention(joins):
    events = [*(joins.right(n) for n in range(10)), joins.left(5), joins.left(4)]
    config = {"retention": "4s"}
    async with Harness() as harness:
        harness.chain(joins.clock(), joins.make(AsOfJoin, id="Join", config=config))
        harness.send(events)
        await harness.finish()
        assert [joins.seconds(pair) for pair in harness.out()] == [(5, 5)]
        assert harness.app.PumpService.locate("Test.Join").rest_get()["Late"] == 1


@virtual_time
async def test_a_late_right_event_counts_for_what_comes_out_after_it(joins):
    events = [joins.right(1), joins.left(5), joins.right(9), joins.right(8), joins.right(3)]
    found = await joins.out(AsOfJoin, [*events, joins.left(9)])
    assert found == [(5, 1), (9, 9)]
    events = [joins.right(1), joins.left(5), joins.left(9), joins.right(3)]
    assert await joins.out(AsOfJoin, events) == [(5, 1), (9, 3)]


@virtual_time
async def test_what_becomes_of_an_event_does_not_matter_to_the_next(joins):
    def combine(left, right):
        right["seen"].append(left["at"])
        return {"left": left, "right": right}

    async with Harness() as harness:
        harness.chain(joins.clock(), joins.make(AsOfJoin, combine=combine))
        harness.send([joins.right(1, seen=[]), joins.left(2), joins.left(3)])
        await harness.finish()
        assert [len(pair["right"]["seen"]) for pair in harness.out()] == [1, 1]


@virtual_time
async def test_one_that_waits_may_be_given_up_and_comes_out_with_what_is_known(joins):
    config = {"max_events": 2, "overflow": "evict"}
    events = [joins.right(1), joins.left(7), joins.left(8), joins.left(9), joins.right(6)]
    found = await joins.out(AsOfJoin, events, lateness="20s", config=config)
    assert found == [(7, 1), (8, 6), (9, 6)]


@virtual_time
async def test_nothing_is_valid_from_a_deletion_to_the_next_version(joins):
    events = [
        joins.right(0),
        *(joins.left(n) for n in (0, 1.999)),
        joins.right(2, op="delete"),
        *(joins.left(n) for n in (2, 3.999)),
        joins.right(4),
        joins.left(4),
    ]
    found = await joins.out(TemporalJoin, events, deleted={"op": "delete"})
    assert found == [(0, 0), (1.999, 0), (2, None), (3.999, None), (4, 4)]


@virtual_time
async def test_a_key_that_is_deleted_is_forgotten(joins):
    async with Harness() as harness:
        deleted = {"deleted": lambda context, event: event.get("op") == "delete"}
        harness.chain(joins.clock(), joins.make(TemporalJoin, id="Join", **deleted))
        join = harness.app.PumpService.locate("Test.Join")
        harness.send([joins.right(1), joins.right(2, op="delete"), joins.right(9, "b")])
        await harness.settle()
        assert join.keys() == 1


@virtual_time
async def test_a_version_may_be_known_before_it_is_valid(joins):
    events = [joins.right(0), joins.right(1, start=5_000), joins.left(4), joins.left(5)]
    async with Harness() as harness:
        make = joins.make(
            TemporalJoin,
            valid_from=lambda event: event["at"] - event["at"] % 10_000 + event.get("start", 0),
        )
        harness.chain(joins.clock(), make)
        harness.send(events)
        await harness.finish()
        assert [joins.seconds(pair) for pair in harness.out()] == [(4, 0), (5, 1)]


@virtual_time
async def test_what_is_known_with_hindsight_does_not_change_the_past(joins):
    start = joins.left(0)["at"]
    events = [
        joins.right(0, start=start),
        joins.left(3),
        joins.right(4, start=start + 2000),
        joins.left(5),
    ]
    found = await joins.out(TemporalJoin, events, valid_from="start", lateness="9s")
    assert found == [(3, 0), (5, 4)]


@virtual_time
async def test_a_version_that_is_late_does_not_bring_back_what_was_deleted(joins):
    events = [joins.right(1), joins.right(5, op="delete"), joins.right(9, "b")]
    late = [joins.right(4), joins.left(9)]
    found = await joins.out(TemporalJoin, [*events, *late], deleted={"op": "delete"})
    assert found == [(9, None)]


@virtual_time
async def test_a_time_that_is_none_is_the_error_of_the_version(joins):
    async with Harness() as harness:
        harness.chain(joins.clock(), joins.make(TemporalJoin, valid_from="start"), config=SKIP)
        harness.send([joins.right(1, start="today"), joins.left(2)])
        await harness.finish()
        assert [joins.seconds(pair) for pair in harness.out()] == [(2, None)]
        assert "expected Unix milliseconds, got 'today'" in str(harness.errors[0].error)


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        (AsOfJoin, {"max_age": "-1s"}, "max_age: expected 0 or more"),
        (AsOfJoin, {"max_age": "old"}, "max_age: Expected a duration"),
        (AsOfJoin, {"kind": "outer"}, "expected one of inner, left, got 'outer'"),
        (TemporalJoin, {"deleted": 7}, "deleted: expected the Id of a source"),
    ],
)
@virtual_time
async def test_what_cannot_be_is_said_before_anything_starts(joins, kind, wrong, said):
    harness = Harness()
    with pytest.raises(ConfigError, match=kind.__name__) as raised:
        harness.chain(joins.make(kind, **wrong))
    assert said in str(raised.value)
