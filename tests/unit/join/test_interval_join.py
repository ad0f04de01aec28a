"""The interval join: which pairs there are, what comes out without a partner, and when."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import ConfigError, ProcessingError, RejectedError
from bspump.common import InternalSource
from bspump.join import IntervalJoin
from bspump.testing import Harness, MemorySink, MemorySource, virtual_time

SKIP = {"on_error": "skip"}


# right events:   0   1   2   3   4   5   6   7   8   9
# left event at 5: [-------within (-3, 1)-----]
@virtual_time
async def test_the_ends_of_the_interval_belong_to_it(joins):
    rights = [joins.right(at_s) for at_s in range(10)]
    found = await joins.out(
        IntervalJoin, [*rights[:6], joins.left(5), *rights[6:]], within=("-3s", "1s")
    )
    assert found == [(5, 2), (5, 3), (5, 4), (5, 5), (5, 6)]


@virtual_time
async def test_one_duration_means_before_and_after(joins):
    events = [joins.right(1), joins.right(2), joins.left(4), joins.right(6), joins.right(7)]
    assert await joins.out(IntervalJoin, events, within="2s") == [(4, 2), (4, 6)]


@virtual_time
async def test_events_of_other_keys_are_no_partners(joins):
    events = [joins.left(1, "a"), joins.right(1, "b"), joins.right(1, "a")]
    assert len(await joins.out(IntervalJoin, events, within=5)) == 1


@pytest.mark.parametrize("key", [None, ("x", None)])
@virtual_time
async def test_a_key_that_is_unknown_is_equal_to_no_other(joins, key):
    events = [joins.left(1, key), joins.right(1, key)]
    found = await joins.out(IntervalJoin, events, within=5, kind="outer")
    assert found == [(1, None), (None, 1)]


@virtual_time
async def test_keys_may_be_called_differently_on_each_side(joins):
    key = {"left": lambda context, event: (event["id"],), "right": ("order",)}
    events = [joins.left(1, id=7), joins.right(2, order=7), joins.right(2, order=8)]
    assert await joins.out(IntervalJoin, events, within=5, key=key) == [(1, 2)]


@virtual_time
async def test_without_a_key_all_events_belong_together(joins):
    events = [joins.left(1, "a"), joins.right(1, "b")]
    assert await joins.out(IntervalJoin, events, within=5, key=None) == [(1, 1)]


@virtual_time
async def test_an_event_without_partner_comes_out_when_none_can_come(joins):
    async with Harness() as harness:
        harness.chain(joins.clock(), joins.make(IntervalJoin, within=("-1s", "5s"), kind="left"))
        harness.send([joins.left(10), joins.right(15, "b")])
        await harness.settle()
        # A partner may still come, of the time of the watermark.
        assert harness.out() == []
        harness.send([joins.right(15.001, "b")])
        await harness.settle()
        assert [joins.seconds(pair) for pair in harness.out()] == [(10, None)]


@virtual_time
async def test_it_comes_out_at_once_if_partners_come_before_it(joins):
    async with Harness() as harness:
        harness.chain(joins.clock(), joins.make(IntervalJoin, within=("-5s", "-1s"), kind="left"))
        harness.send([joins.left(10)])
        await harness.settle()
        assert [joins.seconds(pair) for pair in harness.out()] == [(10, None)]


@virtual_time
async def test_time_goes_on_for_what_waits_where_all_events_are_dropped_before_it(joins):
    async with Harness() as harness:
        harness.chain(
            joins.clock(),
            lambda context, event: event if event["side"] == "L" else None,
            joins.make(IntervalJoin, within="1s", kind="left"),
        )
        harness.send([joins.left(1), joins.right(9)])
        await harness.advance(1)
        assert [joins.seconds(pair) for pair in harness.out()] == [(1, None)]


@virtual_time
async def test_a_late_event_is_counted_and_goes_where_it_is_sent(joins):
    events = [joins.left(1), joins.right(9), joins.left(8), joins.right(3)]
    async with Harness() as harness:
        harness.chain(
            MemorySource,
            joins.clock(),
            joins.make(IntervalJoin, within=5, id="Join", config={"late": "Late.*InternalSource"}),
            id="Main",
        )
        harness.chain(InternalSource, MemorySink, id="Late")
        harness.pipelines[0].Sources[0].send(events)
        harness.pipelines[0].Sources[0].end()
        await harness.finish()
        assert [event["at"] for event in harness.out("Late.MemorySink")] == [
            event["at"] for event in events[2:]
        ]
        join = harness.app.PumpService.locate("Main.Join")
        assert join.rest_get()["Late"] == 2
        assert join.rest_get()["Joined"] == 0


@virtual_time
async def test_an_event_of_neither_side_is_an_error(joins):
    async with Harness() as harness:
        harness.chain(joins.clock(), joins.make(IntervalJoin, within=5), config=SKIP)
        harness.send([{**joins.left(1), "side": "?"}])
        await harness.settle()
        (failure,) = harness.errors
        assert isinstance(failure.error, ProcessingError)
        assert "belongs to neither side" in str(failure.error)


@virtual_time
async def test_an_event_of_neither_side_may_go_on_as_it_is(joins):
    other = {**joins.left(3), "side": "?"}
    async with Harness() as harness:
        make = joins.make(IntervalJoin, within="1s", kind="left", config={"others": "pass"})
        harness.chain(joins.clock(), make)
        harness.send([joins.left(1), other])
        await harness.settle()
        # What was due before it comes out before it, so it is not late.
        assert [pair.get("at") for pair in harness.out()] == [None, other["at"]]


@virtual_time
async def test_an_event_without_time_is_an_error_that_says_what_to_do(joins):
    async with Harness() as harness:
        harness.chain(joins.make(IntervalJoin, within=5), config=SKIP)
        harness.send([joins.left(1)])
        await harness.settle()
        assert "put a `bspump.window.EventTime`" in str(harness.errors[0].error)


@virtual_time
async def test_a_pair_that_cannot_be_combined_spares_the_others(joins):
    def combine(left, right):
        if right["at"] == rights[1]["at"]:
            raise ValueError("no")
        return {"left": left, "right": right}

    rights = [joins.right(1), joins.right(2), joins.right(3)]
    async with Harness() as harness:
        make = joins.make(IntervalJoin, within=5, combine=combine)
        harness.chain(joins.clock(), make, config=SKIP)
        harness.send([*rights, joins.left(4), joins.right(5)])
        await harness.finish()
        assert [joins.seconds(pair) for pair in harness.out()] == [(4, 1), (4, 3), (4, 5)]
        (failure,) = harness.errors
        assert joins.seconds(failure.event) == (4, 2)


@virtual_time
async def test_what_becomes_of_a_pair_does_not_matter_to_the_next(joins):
    def combine(left, right):
        left["seen"].append(right["at"])
        right["seen"].append(left["at"])
        return {"left": left, "right": right}

    events = [joins.right(n, seen=[]) for n in (1, 2)] + [joins.left(n, seen=[]) for n in (3, 4)]
    async with Harness() as harness:
        harness.chain(joins.clock(), joins.make(IntervalJoin, within=5, combine=combine))
        harness.send(events)
        await harness.finish()
        pairs = harness.out()
        assert len(pairs) == 4
        assert all(len(pair[side]["seen"]) == 1 for pair in pairs for side in ("left", "right"))


@virtual_time
async def test_one_event_too_many_is_rejected_and_nothing_of_it_comes_out(joins):
    async with Harness() as harness:
        make = joins.make(IntervalJoin, within="9s", config={"max_events": 2})
        harness.chain(joins.clock(), make, config=SKIP)
        harness.send([joins.right(0), *(joins.left(n) for n in (1, 2, 3))])
        await harness.finish()
        assert [joins.seconds(pair) for pair in harness.out()] == [(1, 0), (2, 0)]
        (failure,) = harness.errors
        assert isinstance(failure.error, RejectedError)
        assert "2 events of its key are kept already" in str(failure.error)


@virtual_time
async def test_what_finds_no_partners_any_more_makes_room(joins):
    lefts = [joins.left(at_s) for at_s in (1, 1.5, 2.05, 2.4, 2.6, 3.2)]
    found = await joins.out(
        IntervalJoin, [*lefts, joins.right(3.2)], within="1s", config={"max_events": 3}
    )
    assert found == [(2.4, 3.2), (2.6, 3.2), (3.2, 3.2)]


@virtual_time
async def test_where_the_oldest_is_given_up_it_comes_out_without_partner(joins):
    config = {"max_events": "2", "overflow": "evict"}
    events = [*(joins.left(n) for n in (1, 2, 3)), joins.right(4)]
    async with Harness() as harness:
        make = joins.make(IntervalJoin, within="9s", kind="left", config=config, id="Join")
        harness.chain(joins.clock(), make)
        harness.send(events)
        await harness.finish()
        assert [joins.seconds(pair) for pair in harness.out()] == [(1, None), (2, 4), (3, 4)]
        found = harness.app.PumpService.locate("Test.Join").rest_get()
        assert (found["Evicted"], found["Unmatched"], found["Joined"]) == (1, 1, 2)


@virtual_time
async def test_the_sources_of_a_pipeline_may_be_its_sides(joins):
    async with Harness() as harness:
        pipeline = harness.chain(
            partial(MemorySource, events=[joins.left(1)], id="Orders"),
            partial(MemorySource, events=[joins.left(2)], id="Payments"),
            joins.clock(),
            joins.make(IntervalJoin, within=5, left="Orders", right="Payments"),
        )
        assert len(pipeline.Sources) == 2
        await harness.finish()
        assert [joins.seconds(pair) for pair in harness.out()] == [(1, 2)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"within": ("10m", "-5m")}, "expected the earlier one first"),
        ({"within": ("1", "2", "3")}, "expected one duration or two"),
        ({"within": "soon"}, "Expected a duration"),
        ({"kind": "cross"}, "expected one of inner, left, right, outer, got 'cross'"),
        ({"left": {}}, "expected the Id of a source, fields or a function"),
        ({"key": {"left": "id"}}, "expected one for `left` and one for `right`"),
        ({"config": {"ttl": "1h"}}, "ttl: it would forget"),
        ({"config": {"late": "somewhere"}}, "late: expected"),
    ],
)
@virtual_time
async def test_what_cannot_be_is_said_before_anything_starts(joins, wrong, said):
    harness = Harness()
    with pytest.raises(ConfigError, match="IntervalJoin") as raised:
        harness.chain(joins.make(IntervalJoin, **{"within": 5, **wrong}))
    assert said in str(raised.value)
