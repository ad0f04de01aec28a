"""The processor that finds patterns, in the real engine."""

from __future__ import annotations

import random
from functools import partial

import pytest

from bspump.abc.errors import ConfigError, ProcessingError, RejectedError
from bspump.abc.state import PartState
from bspump.pattern import Pattern, PatternMatcher
from bspump.pattern.machine import Machine
from bspump.state import MemoryStateStore
from bspump.testing import (
    Harness,
    MemorySource,
    MemoryTable,
    MemoryTwoPhaseSink,
    crash_everywhere,
    slow,
    virtual_time,
)
from bspump.window import EventTime

T0 = 1_700_000_000_000
UNPAID = (
    Pattern.begin("order", lambda e: e["type"] == "order")
    .without("paid", lambda e: e["type"] == "paid")
    .within("10s")
)
PAIR = Pattern.begin("a", lambda e: e["type"] == "a").then("b", lambda e: e["type"] == "b")


def event(type_, at_s, key="k", **more):
    return {"type": type_, "at": T0 + round(at_s * 1000), "key": key, **more}


def clock(lateness=0):
    return partial(EventTime, time="at", config={"lateness": lateness, "max_skew": 0})


def matcher(pattern, key="key", **config):
    return partial(PatternMatcher, pattern=pattern, key=key, config=config)


def shown(out):
    return [
        (
            m["key"],
            (m["end_ms"] - T0) / 1000,
            *(e["type"] for es in m["matched"].values() for e in es),
        )
        for m in out
    ]


async def outcome(events, *parts, singly=False):
    async with Harness() as harness:
        pipeline = harness.chain(*parts)
        if singly:
            for each in events:
                await pipeline.process(each)
        else:
            harness.send(events)
        await harness.finish()
        return harness.out()


@virtual_time
async def test_what_comes_out_says_what_was_found_and_when():
    events = [event("a", 1), event("b", 3, price=5)]
    assert await outcome(events, clock(), matcher(PAIR)) == [
        {
            "pattern": "PatternMatcher",
            "key": "k",
            "start_ms": T0 + 1000,
            "end_ms": T0 + 3000,
            "matched": {"a": [events[0]], "b": [events[1]]},
        }
    ]


@virtual_time
async def test_keys_have_nothing_to_do_with_each_other():
    events = [event("a", 1, "x"), event("b", 2, "y"), event("a", 3, "y"), event("b", 4, "x")]
    assert shown(await outcome(events, clock(), matcher(PAIR))) == [("x", 4.0, "a", "b")]
    by_two = await outcome(events, clock(), matcher(PAIR, key=("key", "type")))
    assert by_two == []
    of_all = shown(await outcome(events, clock(), matcher(PAIR, key=None)))
    assert of_all == [(None, 2.0, "a", "b"), (None, 4.0, "a", "b")]


@virtual_time
async def test_what_becomes_of_a_match_does_not_change_others():
    def change(context, match):
        match["matched"]["a"][0]["type"] = "changed"
        return match

    pattern = Pattern.begin("a", lambda e: e["type"] == "a").then_any(
        "b", lambda e, m: m.first("a")["type"] == "a" and e["type"] == "b"
    )
    events = [event("a", 1), event("b", 2), event("b", 3)]
    assert len(await outcome(events, clock(), matcher(pattern), change)) == 2


@virtual_time
async def test_events_out_of_order_are_put_in_order():
    events = [event("b", 5), event("a", 3), event("c", 9), event("b", 4)]
    found = await outcome(events, clock(lateness=10), matcher(PAIR))
    assert shown(found) == [("k", 4.0, "a", "b")]


@virtual_time
async def test_absence_is_found_as_soon_as_time_has_gone_on():
    async with Harness() as harness:
        harness.chain(clock(), matcher(UNPAID))
        harness.send([event("order", 0), event("paid", 4), event("order", 20)])
        await harness.settle()
        harness.send([event("other", 29.999, "another")])
        await harness.settle()
        await harness.advance(1)
        assert harness.out() == []
        harness.send([event("other", 30, "another")])
        await harness.settle()
        await harness.advance(1)
        assert shown(harness.out()) == [("k", 30.0, "order")]


@virtual_time
async def test_when_it_is_stopped_nothing_is_absent_before_its_time():
    for pattern, expected in ((UNPAID, []), (PAIR, [("k", 2.0, "a", "b")])):
        async with Harness() as harness:
            harness.chain(clock(5), matcher(pattern))
            harness.send([event("order", 0), event("b", 2), event("a", 1)])
            await harness.settle()
            assert harness.out() == []
        assert shown(harness.out()) == expected


@virtual_time
async def test_a_match_carries_its_own_time_on():
    contexts = []

    def note(context, event):
        contexts.append((context["event_time_ms"] - T0, context["watermark_ms"] - T0))
        return event

    await outcome([event("a", 1), event("b", 3), event("c", 9)], clock(), matcher(PAIR), note)
    assert contexts == [(3000, 3000)]


@virtual_time
async def test_events_that_come_late_are_counted_and_treated_as_was_said():
    events = [event("a", 1), event("c", 20), event("b", 2), event("b", 21)]
    for policy, failures in (("drop", 0), ("reject", 1)):
        async with Harness() as harness:
            pipeline = harness.chain(
                clock(), matcher(PAIR, late=policy), config={"on_error": "skip"}
            )
            harness.send(events)
            await harness.finish()
            assert shown(harness.out()) == [("k", 21.0, "a", "b")]
            assert len(harness.errors) == failures
            assert pipeline.locate_processor("PatternMatcher").explain()["Late"] == 1


@virtual_time
async def test_an_event_without_a_time_is_an_error_that_says_what_to_do():
    async with Harness() as harness:
        pipeline = harness.chain(matcher(PAIR), config={"on_error": "skip"})
        harness.send([event("a", 1)])
        await harness.settle()
        [failure] = harness.errors
        assert isinstance(failure.error, ProcessingError)
        assert "put a `bspump.window.EventTime`" in str(failure.error)
        assert pipeline.locate_processor("PatternMatcher").keys() == 0


@virtual_time
async def test_a_condition_that_raises_is_the_error_of_that_event_alone():
    pattern = Pattern.begin("a", lambda e: e["n"] == 1).then("b", lambda e: e["n"] == 2)
    events = [event("", 1, n=1), event("", 2), event("", 3, n=2)]
    async with Harness() as harness:
        harness.chain(clock(), matcher(pattern), config={"on_error": "skip"})
        harness.send(events)
        await harness.finish()
        assert len(harness.out()) == 1
        [failure] = harness.errors
        assert failure.event == events[1]


@virtual_time
async def test_a_report_that_raises_spares_the_other_matches():
    class Broken(PatternMatcher):
        def report(self, match):
            return 1 / (match.events["a"][0]["n"] - 1) or None

    async with Harness() as harness:
        harness.chain(
            clock(), partial(Broken, pattern=PAIR, key="key"), config={"on_error": "skip"}
        )
        harness.send([event("a", n, n=n) for n in range(4)] + [event("b", 9)])
        await harness.finish()
        assert harness.out() == [-1, 1, 0.5]
        assert len(harness.errors) == 1


@virtual_time
async def test_more_events_than_may_wait_are_rejected():
    async with Harness() as harness:
        harness.chain(clock(99), matcher(PAIR, max_waiting=2), config={"on_error": "skip"})
        harness.send([event("a", 1), event("b", 2), event("b", 3)])
        await harness.finish()
        assert [type(failure.error) for failure in harness.errors] == [RejectedError]
        assert len(harness.out()) == 1


@virtual_time
async def test_a_limit_of_partial_matches_is_counted_where_it_drops():
    async with Harness() as harness:
        pipeline = harness.chain(clock(), matcher(PAIR, max_partials=2))
        harness.send([*(event("a", n, n=n) for n in range(5)), event("b", 9)])
        await harness.finish()
        assert [m["matched"]["a"][0]["n"] for m in harness.out()] == [3, 4]
        assert pipeline.locate_processor("PatternMatcher").rest_get()["Dropped"] == 3


@virtual_time
async def test_a_key_of_which_nothing_is_left_is_forgotten():
    async with Harness() as harness:
        pipeline = harness.chain(clock(), matcher(PAIR.within("5s")))
        harness.send([event("a", n, key=n) for n in range(100)])
        await harness.settle()
        await harness.advance(1)
        assert pipeline.locate_processor("PatternMatcher").keys() <= 6


async def test_a_pattern_that_makes_no_sense_is_refused_when_the_pipeline_is_made():
    with pytest.raises(ConfigError, match=r"Test\.PatternMatcher: 'c' is absent for how long"):
        Harness().chain(matcher(PAIR.without("c")))


# Checkpoints


def stream(count, seed=7):
    """Return events of some keys, out of order by less than 5 seconds."""
    chance = random.Random(seed)
    return [
        event(
            chance.choice(["a", "a", "b", "c", "order", "paid"]),
            i / 4 + chance.random() * 4.9,
            key=chance.choice("xyz"),
            n=i,
        )
        for i in range(count)
    ]


SCENARIO = (
    Pattern.begin("a", lambda e: e["type"] == "a")
    .one_or_more()
    .then("b", lambda e, m: e["type"] == "b" and e["n"] > m.first("a")["n"] - 20)
    .without("c", lambda e: e["type"] == "c")
    .within("9s")
    .skip_to_last("a")
)


def exact(pattern, events):
    """Return what the machine finds, key by key, in all events at once."""
    found = []
    for key in sorted({e["key"] for e in events}):
        machine = Machine(pattern)
        work, hits = machine.new(), []
        for e in sorted((e for e in events if e["key"] == key), key=lambda e: e["at"]):
            while machine.due_ms(work) <= e["at"]:
                hits += machine.expire(work, machine.due_ms(work))
            hits += machine.take(work, e["at"], e)
        while machine.due_ms(work) < 1 << 62:
            hits += machine.expire(work, machine.due_ms(work))
        found += [(key, hit.end_ms, hit.events) for hit in hits]
    return found


def as_exact(out):
    found = [(m["key"], m["end_ms"], m["matched"]) for m in out]
    return sorted(found, key=lambda each: each[:1])


@pytest.mark.parametrize("pattern", [PAIR.within("3s"), UNPAID, SCENARIO])
@virtual_time
async def test_the_same_is_found_as_in_all_events_at_once(pattern):
    events = stream(400)
    at_once = await outcome(events, clock(5), matcher(pattern))
    assert len(at_once) > 5
    assert as_exact(at_once) == exact(pattern, events)
    assert await outcome(events, clock(5), matcher(pattern), singly=True) == at_once
    times = [m["end_ms"] for m in at_once]
    assert times == sorted(times)


async def test_it_makes_no_difference_where_state_is_kept(tmp_path):
    pytest.importorskip("rocksdict")
    found = []
    for store in ("memory", "rocksdb"):
        async with Harness(["--set", f"[general] var_dir={tmp_path / store}"]) as harness:
            harness.chain(clock(5), matcher(SCENARIO, store=store))
            harness.send(stream(300))
            await harness.finish()
            found.append(harness.out())
    assert found[0] == found[1]
    assert len(found[0]) > 5


@virtual_time
async def test_a_crash_anywhere_changes_nothing_of_what_comes_out():
    events = stream(150)
    expected = exact(SCENARIO, events)

    def source(app, pipeline):
        made = MemorySource(app, pipeline, events, chunk_size=7)
        slow(made, 0.3, method="read")  # So there are several checkpoints on the way.
        return made

    def build(harness, table):
        sink = partial(MemoryTwoPhaseSink, table=table)
        harness.chain(partial(source), clock(5), matcher(SCENARIO), sink)

    def check(table):
        assert as_exact(table.Events) == expected

    assert len(expected) > 3
    assert await crash_everywhere(MemoryTable, build, check, every=97) > 20


@virtual_time
async def test_the_state_of_another_pattern_is_refused():
    async with Harness(store=MemoryStateStore()) as harness:
        parts = [
            harness.chain(matcher(pattern), id=f"P{n}").locate_processor("PatternMatcher")
            for n, pattern in enumerate([PAIR, PAIR, PAIR.within("1m")])
        ]
        process(parts[0], event("a", 1))
        kept = parts[0].snapshot()
        state = PartState(version=kept.version, value=kept.value, keyed=dict(kept.changed))
        parts[1].restore(state)
        assert parts[1].keys() == 1
        with pytest.raises(ConfigError, match="what is stored is of another pattern"):
            parts[2].restore(state)


def process(part, event):
    context = {"event_time_ms": event["at"], "watermark_ms": event["at"]}
    return list(part.generate(context, event, 1))
