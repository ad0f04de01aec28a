"""The processor that aggregates by key and window: the four choices."""

from __future__ import annotations

from functools import partial

import pytest
from tests.support.window_parts import SKIP, at, said, short, time, windows

from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.testing import Harness, MemorySink, virtual_time
from bspump.window import (
    Collect,
    Counted,
    Every,
    EveryCount,
    Hopping,
    Mean,
    Session,
    Sum,
    Tumbling,
    When,
    WindowAggregator,
)

# What comes out


@virtual_time
async def test_a_firing_says_which_window_which_key_and_what_was_asked_for():
    #  0         10        20
    #  |--a--b-a-|----b----|
    part = windows(Tumbling("10s"), {"n": "count", "sum": "sum of x", "mean": Mean("x")}, key="key")
    events = [at(3, x=1), at(6, "b", x=5), at(8, x=2), at(15, "b", x=7)]
    assert await said(part, events) == [
        {"key": "a", "start_ms": 0, "end_ms": 10_000, "firing": "final", "pane": 0}
        | {"n": 2, "sum": 3, "mean": 1.5},
        {"key": "b", "start_ms": 0, "end_ms": 10_000, "firing": "final", "pane": 0}
        | {"n": 1, "sum": 5, "mean": 5},
        {"key": "b", "start_ms": 10_000, "end_ms": 20_000, "firing": "final", "pane": 0}
        | {"n": 1, "sum": 7, "mean": 7},
    ]


@virtual_time
async def test_a_window_is_half_open_and_fires_when_the_watermark_reaches_its_end():
    async with Harness() as harness:
        harness.chain(time(lateness=2), windows(Tumbling("10s")))
        harness.send([at(9.999), at(10), at(11.999)])
        await harness.settle()
        assert harness.out() == []
        harness.send([at(12)])
        await harness.settle()
        assert short(harness.out()) == [(None, 10, "final", 1)]


@virtual_time
async def test_what_comes_out_has_a_time_and_is_not_late_for_the_next_windows():
    async with Harness() as harness:
        sink = partial(MemorySink, id="Out")
        harness.chain(
            time(),
            partial(windows(Tumbling("1s"), key="key"), id="Seconds"),
            partial(windows(Tumbling("10s"), {"n": Sum("n")}), id="All"),
            sink,
        )
        harness.send([at(n, key) for n in range(35) for key in "ab"])
        await harness.finish()
        assert [(e["end_ms"], e["n"]) for e in harness.out()] == [
            (10_000, 20),
            (20_000, 20),
            (30_000, 20),
            (40_000, 10),
        ]
        assert harness.app.PumpService.locate("Test.All").explain()["Late"] == 0
        contexts = harness.app.PumpService.locate("Test.Out").Contexts
        assert [context[EVENT_TIME] for context in contexts] == [9_999, 19_999, 29_999, 39_999]
        assert all(context[WATERMARK] <= context[EVENT_TIME] for context in contexts)


@virtual_time
async def test_keys_may_be_fields_several_of_them_a_function_or_none():
    events = [at(1, "a", y=1), at(2, "a", y=2), at(3, "b", y=1)]
    for key, expected in (
        ("key", ["a", "b"]),
        (("key", "y"), [("a", 1), ("a", 2), ("b", 1)]),
        (lambda context, event: event["y"], [1, 2]),
        (None, [None]),
    ):
        found = await said(windows(Tumbling("10s"), key=key), events)
        assert [event["key"] for event in found] == expected


@virtual_time
async def test_report_may_be_overridden_and_say_nothing():
    class Often(WindowAggregator):
        def report(self, firing, /):
            return firing.key if firing.results["n"] > 1 else None

    part = partial(Often, window=Tumbling("10s"), aggregate={"n": "count"}, key="key")
    assert await said(part, [at(1), at(2), at(3, "b")]) == ["a"]


@virtual_time
async def test_windows_that_end_first_fire_first_and_keys_in_the_order_in_which_they_came():
    events = [at(n, key) for n, key in [(12, "z"), (3, "b"), (4, "a"), (14, "y"), (25, "q")]]
    found = short(await said(windows(Tumbling("10s"), key="key"), events, lateness=20))
    assert [f[:2] for f in found] == [("b", 10), ("a", 10), ("z", 20), ("y", 20), ("q", 30)]


# When, and what a firing says


@virtual_time
async def test_early_firings_come_at_multiples_of_the_interval_if_there_is_something_new():
    part = windows(Tumbling("60s"), key="key", early=Every("10s"))
    events = [at(1), at(5), at(12), at(13, "b"), at(45), at(61)]
    assert short(await said(part, events, is_ended=False)) == [
        ("a", 60, "early", 2),
        ("a", 60, "early", 3),
        ("b", 60, "early", 1),
        ("a", 60, "early", 4),
        ("a", 60, "final", 4),
        ("b", 60, "final", 1),
    ]


@virtual_time
async def test_early_firings_by_the_wall_clock_need_no_events():
    async with Harness() as harness:
        harness.chain(time(), windows(Tumbling("1h"), early=Every("10s", clock="wall")))
        harness.send([at(1)])
        await harness.advance(11)
        assert short(harness.out()) == [(None, 3600, "early", 1)]
        await harness.advance(30)
        assert len(harness.out()) == 1
        harness.send([at(2)])
        await harness.advance(11)
        assert short(harness.out())[1:] == [(None, 3600, "early", 2)]


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("accumulate", [("early", 2), ("early", 4), ("final", 5)]),
        ("discard", [("early", 2), ("early", 2), ("final", 1)]),
        ("retract", [("early", 2), ("early", -2), ("early", 4), ("final", -4), ("final", 5)]),
    ],
)
@virtual_time
async def test_a_firing_says_all_or_what_is_new_or_takes_back_what_was_said(says, expected):
    part = windows(Tumbling("10s"), early=EveryCount(2), says=says)
    found = await said(part, [at(n) for n in range(5)])
    assert [f[2:] for f in short(found)] == expected
    panes = [event["pane"] for event in found if not event.get("retracted")]
    assert panes == [0, 1, 2]


@virtual_time
async def test_a_condition_lets_a_window_fire_right_after_its_event():
    part = windows(Tumbling("10s"), key="key", early=When(lambda context, event: event.get("go")))
    events = [at(1), at(2, go=True), at(3, "b"), at(4)]
    expected = [("a", 10, "early", 2), ("a", 10, "final", 3), ("b", 10, "final", 1)]
    assert short(await said(part, events)) == expected


@virtual_time
async def test_a_condition_that_fails_rejects_its_event_and_nothing_else():
    part = windows(Tumbling("10s"), early=When(lambda context, event: event["go"]))
    async with Harness() as harness:
        harness.chain(time(), part, config=SKIP)
        harness.send([at(1, go=False), at(2), at(3, go=True)])
        await harness.settle()
        assert short(harness.out()) == [(None, 10, "early", 2)]
        assert [type(failure.error) for failure in harness.errors] == [KeyError]


@virtual_time
async def test_late_events_correct_a_window_for_as_long_as_they_are_allowed_to():
    part = windows(Tumbling("10s"), config={"allowed_lateness": "5s"})
    async with Harness() as harness:
        harness.chain(time(), part)
        harness.send([at(1), at(12), at(2), at(14.9), at(3), at(15), at(4)])
        await harness.settle()
        assert short(harness.out()) == [
            (None, 10, "final", 1),
            (None, 10, "late", 2),
            (None, 10, "late", 3),
        ]
        assert [event["pane"] for event in harness.out()] == [0, 1, 2]
        assert harness.app.PumpService.locate("Test.WindowAggregator").explain()["Late"] == 1


@virtual_time
async def test_a_late_event_makes_a_session_that_has_ended_and_it_fires_once():
    part = windows(Session("10s"), key="key", config={"allowed_lateness": "60s"})
    events = [at(100), at(70, "b"), at(200)]
    assert short(await said(part, events)) == [
        ("b", 80, "late", 1),
        ("a", 110, "final", 1),
        ("a", 210, "final", 1),
    ]


@virtual_time
async def test_a_time_at_which_nothing_ends_lets_no_window_fire():
    # Windows end at multiples of 2 s, plus 5; what is late is forgotten one second after.
    part = windows(Hopping("5s", every="2s"), config={"allowed_lateness": "1s"})
    found = await said(part, [at(0), at(30)])
    assert [(e["start_ms"] % 2000, e["end_ms"] - e["start_ms"]) for e in found] == [(0, 5000)] * 6


@virtual_time
async def test_sessions_that_an_event_connects_become_one():
    part = windows(Session("10s"), {"n": "count", "at": Collect("at")}, key="key")
    found = await said(part, [at(0), at(18), at(40), at(9)], lateness=40)
    assert [(e["start_ms"], e["end_ms"], e["at"]) for e in found] == [
        (0, 28_000, [0, 9, 18]),
        (40_000, 50_000, [40]),
    ]


@virtual_time
async def test_counted_windows_say_what_is_left_at_the_end():
    found = await said(windows(Counted(2), key="key"), [at(5), at(1), at(3), at(4, "b")])
    assert [(e["key"], e["start_ms"], e["end_ms"], e["n"]) for e in found] == [
        ("a", 1000, 5001, 2),
        ("a", 3000, 3001, 1),
        ("b", 4000, 4001, 1),
    ]


@virtual_time
async def test_windows_of_the_wall_clock_need_no_event_time():
    async with Harness(start_s=1_700_000_003) as harness:
        harness.chain(windows(Tumbling("10s"), clock="wall"))
        harness.send([{}, {}])
        await harness.advance(5)
        harness.send([{}])
        await harness.advance(10)
        assert [(e["end_ms"] // 1000, e["n"]) for e in harness.out()] == [
            (1_700_000_010, 3),
        ]
