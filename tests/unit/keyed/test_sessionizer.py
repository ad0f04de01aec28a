"""Sessions."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.keyed import Sessionizer
from bspump.testing import Harness, virtual_time
from bspump.window import Count, Deviation, Max
from bspump.windows.sketches import ApproxDistinct


def sessions(**config):
    arguments = {
        name: config.pop(name) for name in ("opens", "closes", "aggregate") & config.keys()
    }
    config = {"gap": "10s", "max_length": "1h", **config}
    return partial(Sessionizer, key="user", config=config, **arguments)


def kind(name):
    return lambda context, event: event["kind"] == name


@virtual_time
async def test_a_session_says_what_it_was_and_why_it_ended(events):
    stream = [events.at(at_s, user="ann", kind="x") for at_s in (0, 5, 9)]
    stream += [events.at(30, user="ann", kind="bye")]
    assert await events.out(sessions(closes=kind("bye")), stream) == [
        {
            "key": "ann",
            "start_ms": stream[0]["at"],
            "end_ms": stream[2]["at"],
            "reason": "gap",
            "count": 3,
            "events": stream[:3],
        },
        {
            "key": "ann",
            "start_ms": stream[3]["at"],
            "end_ms": stream[3]["at"],
            "reason": "event",
            "count": 1,
            "events": stream[3:],
        },
    ]


@pytest.mark.parametrize(
    ("config", "reasons"),
    [
        ({}, [("end", 6)]),
        ({"gap": 2}, [("gap", 1)] * 5 + [("end", 1)]),
        ({"gap": 3}, [("end", 6)]),
        ({"max_length": 5}, [("length", 3), ("end", 3)]),
        ({"max_events": 4}, [("size", 4), ("end", 2)]),
    ],
)
@virtual_time
async def test_sessions_end_by_themselves(events, config, reasons):
    stream = [events.at(2 * n, user=1) for n in range(6)]
    found = await events.out(sessions(**config), stream)
    assert [(s["reason"], s["count"]) for s in found] == reasons


@virtual_time
async def test_only_what_opens_a_session_opens_one(events, counted):
    async with Harness() as harness:
        part = sessions(opens=kind("in"), closes=kind("out"))
        pipeline = harness.chain(events.clock(), part)
        kinds = ["x", "out", "in", "x", "out", "x", "in"]
        harness.send([events.at(n, user=1, kind=each) for n, each in enumerate(kinds)])
        await harness.finish()
        found = [(s["reason"], [e["kind"] for e in s["events"]]) for s in harness.out()]
        assert found == [("event", ["in", "x", "out"]), ("end", ["in"])]
        assert counted(pipeline.locate_processor("Sessionizer")) == {"outside": 3}


@virtual_time
async def test_the_time_of_a_session_is_when_it_ended(events):
    async with Harness() as harness:
        harness.chain(events.clock(), sessions(closes=kind("bye")))
        stream = [events.at(0, user=1, kind="x"), events.at(20, user=2, kind="bye")]
        harness.send(stream)
        await harness.finish()
        contexts = harness.pipelines[0].locate_processor("Out").Contexts
        assert [c["event_time_ms"] for c in contexts] == [
            stream[0]["at"] + 10_000,
            stream[1]["at"],
        ]


@virtual_time
async def test_aggregations_take_the_place_of_the_events(events):
    aggregate = {"n": Count(), "top": Max("v"), "spread": Deviation("v"), "v": ApproxDistinct("v")}
    stream = [events.at(n, user=1, v=n) for n in range(5)]
    (found,) = await events.out(sessions(aggregate=aggregate), stream)
    assert "events" not in found
    assert (found["n"], found["top"], round(found["spread"], 3)) == (5, 4, 1.581)
    assert round(found["v"]) == 5


@virtual_time
async def test_by_the_wall_clock_a_session_ends_without_another_event(events):
    async with Harness() as harness:
        pipeline = harness.chain(sessions(clock="wall"))
        await pipeline.process({"user": 1})
        await harness.advance(5)
        await pipeline.process({"user": 1})
        await harness.advance(9.9)
        assert harness.out() == []
        await harness.advance(0.4)
        assert [(s["reason"], s["count"]) for s in harness.out()] == [("gap", 2)]


@virtual_time
async def test_an_event_that_an_aggregation_refuses_changes_nothing(events):
    async with Harness() as harness:
        part = sessions(aggregate={"top": Max("v")})
        pipeline = harness.chain(events.clock(), part, config={"on_error": "skip"})
        for v in ("x", 1, "y", 2):
            await pipeline.process(events.at(0, user=1, **({"v": v} if v != "x" else {})))
        await harness.finish()
        assert [type(failure.error) for failure in harness.errors] == [KeyError, TypeError]
        assert [(s["top"], s["count"]) for s in harness.out()] == [(2, 2)]


@virtual_time
async def test_beyond_max_keys_events_are_rejected(events):
    async with Harness() as harness:
        harness.chain(events.clock(), sessions(max_keys=1), config={"on_error": "skip"})
        harness.send([events.at(0, user=n) for n in (1, 2, 1)])
        await harness.finish()
        assert [type(failure.error) for failure in harness.errors] == [RejectedError]
        assert [s["count"] for s in harness.out()] == [2]


@pytest.mark.parametrize(
    "config", [{"gap": 0, "max_length": 0}, {"aggregate": {"reason": Count()}}, {"ttl": 5}]
)
@virtual_time
async def test_what_cannot_be_meant_is_refused(events, config):
    harness = Harness()
    with pytest.raises(ConfigError):
        harness.chain(events.clock(), sessions(**config))
