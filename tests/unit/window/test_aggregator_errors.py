"""The processor that aggregates by key and window: errors, what is shown, what is kept."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest
from tests.support.window_parts import NEVER, SKIP, at, short, time, windows

import bspump
from bspump.abc.errors import ConfigError, UnknownNameError
from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.abc.state import PartState
from bspump.state import MemoryStateStore
from bspump.testing import Harness, MemorySource, virtual_time
from bspump.window import (
    Aggregation,
    Calendar,
    Counted,
    Every,
    EveryCount,
    Global,
    Hopping,
    Mean,
    Session,
    Sum,
    Tumbling,
    WindowAggregator,
)

# Errors


class Picky(Aggregation):
    """Does not say 13, and takes no 7."""

    def create(self):
        return 0

    def add(self, accumulated, value):
        if value == 7:
            raise ValueError("seven")
        return accumulated + value

    def merge(self, accumulated, other):
        if other == 99:
            raise ValueError("ninety-nine")
        return accumulated + other

    def result(self, accumulated):
        if accumulated == 13:
            raise ValueError("thirteen")
        return accumulated


@pytest.mark.parametrize("window", [Tumbling("10s"), Session("5s"), Counted(9)])
@virtual_time
async def test_an_aggregation_that_fails_spares_the_neighbours(window):
    async with Harness() as harness:
        harness.chain(
            time(), windows(window, {"n": "count", "x": Picky("x")}, key="key"), config=SKIP
        )
        harness.send([at(1, "a", x=1), at(1, "a", x=7), at(2, "b", x=13), at(3, "c", x=2)])
        await harness.finish()
        assert [(e["key"], e["n"], e["x"]) for e in harness.out()] == [("a", 1, 1), ("c", 1, 2)]
        errors = [(f.event["key"], str(f.error)) for f in harness.errors]
        assert errors == [("a", "seven"), ("b", "thirteen")]


@virtual_time
async def test_parts_that_cannot_be_merged_spare_the_neighbours():
    async with Harness() as harness:
        part = windows(Hopping("10s", every="5s"), {"x": Picky("x")}, key="key")
        harness.chain(time(), part, config=SKIP)
        harness.send([at(1, "a", x=1), at(6, "a", x=99), at(6, "b", x=2)])
        await harness.finish()
        found = [(e["key"], e["end_ms"], e["x"]) for e in harness.out()]
        assert found == [("a", 5000, 1), ("b", 10_000, 2), ("a", 15_000, 99), ("b", 15_000, 2)]
        assert [f.event["end_ms"] for f in harness.errors] == [10_000]


@virtual_time
async def test_events_that_do_not_fit_are_rejected_alone():
    async with Harness() as harness:
        part = windows(Tumbling("10s"), {"sum": "sum of x", "m": Mean("x")}, key="key")
        harness.chain(time(), part, config=SKIP)
        bad = [at(1, x="text"), {"at": 1, "x": 1}, at(1, [], x=1), at(1, y=1), at(1, x=[])]
        harness.send([bad[0], at(1, x=2), *bad[1:], at(1, x=3)])
        await harness.finish()
        assert [(e["sum"], e["m"]) for e in harness.out()] == [(5, 2.5)]
        assert [failure.event for failure in harness.errors] == bad


@virtual_time
async def test_an_event_without_a_time_is_told_what_to_do():
    async with Harness() as harness:
        harness.chain(windows(Tumbling("10s")), config=SKIP)
        harness.send([{}])
        await harness.settle()
        assert "put a `bspump.window.EventTime`" in str(harness.errors[0].error)


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"aggregate": {"key": "count"}}, "cannot be called key"),
        ({"aggregate": {"n": 5}}, "an aggregation or its name"),
        ({"clock": "sun"}, "'sun'"),
        ({"says": "shout"}, "'shout'"),
        ({"early": "10s"}, "'10s'"),
        ({"window": "1h"}, "'1h'"),
        ({"window": Global()}, "never ends"),
        ({"window": Counted(3), "config": {"allowed_lateness": 1}}, "allowed_lateness"),
        ({"window": Hopping("2s", every="1s"), "says": "discard"}, "overlap"),
        ({"window": Hopping("2s", every="1s"), "early": EveryCount(1)}, "overlap"),
        ({"config": {"late": "somewhere"}}, "late"),
    ],
)
async def test_choices_that_do_not_go_together_are_refused(choices, says):
    async with Harness() as harness:
        pipeline = bspump.Pipeline(harness.app, "Test")
        arguments = {"window": Tumbling("1h"), "aggregate": {"n": "count"}, **choices}
        with pytest.raises(ConfigError, match=says):
            WindowAggregator(harness.app, pipeline, **arguments)


async def test_a_name_that_is_none_is_answered_by_those_that_are():
    async with Harness() as harness:
        pipeline = bspump.Pipeline(harness.app, "Test")
        with pytest.raises(UnknownNameError, match="did you mean 'count'"):
            WindowAggregator(harness.app, pipeline, window=Tumbling("1h"), aggregate={"n": "cuont"})


# What is shown, and what is kept


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (Tumbling("10s"), [{"Start": 0, "End": 10_000, "Keys": 2}]),
        (Calendar("hour"), [{"Start": 0, "End": 3_600_000, "Keys": 2}]),
        (
            Session("10s"),
            [
                {"Key": "b", "Start": 2000, "End": 12_000},
                {"Key": "a", "Start": 1000, "End": 13_000},
            ],
        ),
        (
            Counted(9),
            [
                {"Key": "a", "Start": 1000, "Last": 3000, "Of": 2},
                {"Key": "b", "Start": 2000, "Last": 2000, "Of": 1},
            ],
        ),
    ],
)
@virtual_time
async def test_it_tells_what_is_open_and_until_when(window, expected):
    async with Harness() as harness:
        harness.chain(time(lateness=1), windows(window, key="key"))
        harness.send([at(1), at(2, "b"), at(3)])
        await harness.settle()
        shown = harness.app.PumpService.locate("Test.WindowAggregator").rest_get()
        assert (shown["Windows"], shown["Open"], shown["Watermark"]) == (expected, 2, 2000)


async def lives(part, feed, more, store):
    """Return what comes out of one life, from a checkpoint to a crash."""
    harness = Harness(NEVER, store=store)
    source = partial(MemorySource, events=feed, is_endless=True)
    pipeline = harness.chain(source, time(), part)
    async with harness:
        pipeline.Sources[0].send(more)
        await harness.settle()
        await pipeline.checkpoint()
        await harness.crash()
    return harness


@virtual_time
async def test_a_checkpoint_has_what_changed_and_forgets_what_has_fired():
    store, feed = MemoryStateStore(), []
    part = windows(Tumbling("10s"), key="key")
    await lives(part, feed, [at(1), at(2, "b"), at(2)], store)
    state = await store.load_state("Test", "Test.WindowAggregator")
    assert sorted(key for _, _, key in state.keyed) == ["a", "b"]
    await lives(part, feed, [at(15, "c")], store)
    state = await store.load_state("Test", "Test.WindowAggregator")
    assert [key for _, _, key in state.keyed] == ["c"]


async def test_what_is_stored_must_have_been_made_by_the_same_windows():
    async with Harness() as harness:
        pipeline = bspump.Pipeline(harness.app, "Test")
        made = {
            name: windows(window, aggregate, id=name)(harness.app, pipeline)
            for name, window, aggregate in (
                ("one", Tumbling("10s"), {"n": "count"}),
                ("same", Tumbling("10s"), {"n": "count"}),
                ("longer", Tumbling("20s"), {"n": "count"}),
                ("more", Tumbling("10s"), {"n": "count", "x": Sum("x")}),
            )
        }
        made["one"].generate({EVENT_TIME: 1, WATERMARK: 0}, {}, 1)
        snapshot = made["one"].snapshot()
        state = PartState(version=1, value=snapshot.value, keyed=snapshot.changed)
        made["same"].restore(state)
        for other in ("longer", "more"):
            with pytest.raises(ConfigError, match=f"(?s){other}: what is stored.*another Id"):
                made[other].restore(state)
        with pytest.raises(ConfigError, match="version"):
            made["same"].restore(dataclasses.replace(state, version=2))


@virtual_time
async def test_after_a_crash_keys_fire_in_the_order_in_which_they_came():
    for choices in (
        {"window": Tumbling("10s")},
        {"window": Hopping("10s", every="5s")},
        {"window": Session("10s")},
        {"window": Counted(9)},
        {"window": Tumbling("10s"), "early": Every("2s")},
        {"window": Session("10s"), "early": Every("2s")},
        {"window": Global(), "early": Every("2s")},
    ):
        async with Harness() as harness:
            pipeline = bspump.Pipeline(harness.app, "Test")
            pipeline.is_durable = lambda: True
            part, other = (
                windows(**choices, key="key", id=id)(harness.app, pipeline) for id in "xy"
            )
            found = []
            other.hand_on = lambda event, at_ms, before_ms, found=found: found.append(event["key"])
            for key in "zbya":
                part.generate({EVENT_TIME: 1000, WATERMARK: 500}, {"key": key}, 1)
            snapshot = part.snapshot()
            keyed = dict(sorted(snapshot.changed.items(), key=str))
            other.restore(PartState(version=1, value=snapshot.value, keyed=keyed))
            for key in "cz":
                other.generate({EVENT_TIME: 1000, WATERMARK: 500}, {"key": key}, 1)
            other.advance(4000, 0)
            other.release()
            assert "".join(found).replace("zbyac", "") == "", choices
            assert found


@virtual_time
async def test_a_stop_with_a_checkpoint_lets_nothing_fire():
    store, feed = MemoryStateStore(), [at(1)]
    source = partial(MemorySource, events=feed, is_endless=True)
    for _ in range(2):
        harness = Harness(NEVER, store=store)
        harness.chain(source, time(), windows(Tumbling("10s")))
        async with harness:
            await harness.settle()
        assert harness.out() == []
    harness = Harness(NEVER, store=store)
    harness.chain(source, time(), windows(Tumbling("10s")))
    async with harness:
        await harness.finish()
        assert short(harness.out()) == [(None, 10, "final", 1)]
