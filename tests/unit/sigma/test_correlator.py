"""Correlations, in the real engine and against a count of everything."""

from __future__ import annotations

import random
from functools import partial

import pytest

from bspump.abc.errors import ConfigError
from bspump.sigma import SigmaCorrelator, SigmaDetector
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


def rule(name):
    return {
        "title": name.title(),
        "name": name,
        "logsource": {"product": "x"},
        "detection": {"s": {"type": name}, "condition": "s"},
    }


RULES = [rule("fail"), rule("success"), rule("scan")]


def correlation(type_="event_count", condition=None, **more):
    body = {"type": type_, "rules": ["fail"], "group-by": ["user"], "timespan": "10s"}
    body.update({key.replace("_", "-"): value for key, value in more.items()})
    if condition is not None:
        body["condition"] = condition
    return {"title": "C", "id": "c", "level": "high", "tags": ["t"], "correlation": body}


def event(type_, at_s, user="ann", **more):
    return {"type": type_, "at": T0 + round(at_s * 1000), "user": user, **more}


def chain_of(rules, lateness=0, **config):
    return [
        partial(EventTime, time="at", config={"lateness": lateness, "max_skew": 0}),
        partial(SigmaDetector, rules=rules),
        partial(SigmaCorrelator, rules=rules, config=config),
    ]


async def outcome(events, *correlations, lateness=0, singly=False):
    async with Harness() as harness:
        pipeline = harness.chain(*chain_of([*RULES, *correlations], lateness))
        if singly:
            for each in events:
                await pipeline.process(each)
        else:
            harness.send(events)
        await harness.finish()
        return harness.out()


def shown(alerts):
    """Return the group, the span in seconds, and the count of each correlation."""
    return [
        (*a["group"].values(), (a["start_ms"] - T0) / 1000, (a["end_ms"] - T0) / 1000, a["count"])
        for a in alerts
        if "correlation" in a
    ]


FIVE = [event("fail", s) for s in range(5)]


@virtual_time
async def test_a_correlation_says_what_was_found():
    [found] = await outcome(FIVE, correlation(condition={"gte": 5}))
    assert found == {
        "rule_id": "c",
        "title": "C",
        "level": "high",
        "tags": ["t"],
        "correlation": "event_count",
        "group": {"user": "ann"},
        "count": 5,
        "start_ms": T0,
        "end_ms": T0 + 4000,
    }


def many(text, **more):
    """Return events: each word is `<type's letter><second>`, such as `f3`."""
    types = {"f": "fail", "s": "success", "n": "scan"}
    return [event(types[word[0]], float(word[1:]), **more) for word in text.split()]


def count(condition):
    return correlation(condition=condition)


def ordered(*rules):
    return correlation("temporal_ordered", rules=list(rules))


BOTH = correlation("temporal", rules=["fail", "scan"])
TWO_OF_THREE = correlation("temporal", {"gte": 2}, rules=["fail", "scan", "success"])


@pytest.mark.parametrize(
    ("given", "text", "expected"),
    [
        # Once for as long as it holds; the end of the span does not belong to it.
        (count({"gte": 3}), "f0 f1 f2 f3 f4", [(0, 2, 3)]),
        (count({"gt": 2}), "f0 f1 f2", [(0, 2, 3)]),
        (count({"gte": 3}), "f0 f5 f10 f14", [(5, 14, 3)]),
        (count({"gte": 3}), "f0 f5 f10", []),
        (count({"gte": 2}), "f0 f1 f11 f12", [(0, 1, 2), (11, 12, 2)]),
        (count({"gte": 1}), "f0 f9 f18 f28", [(0, 0, 1), (28, 28, 1)]),
        # Others are decided when the span that the first one begins is over.
        (count({"lt": 3}), "f0 f1 f10 f11 f12 f13", [(0, 10, 2)]),
        (count({"eq": 2}), "f0 f9.9 f20 f30 f31", [(0, 10, 2), (30, 40, 2)]),
        (count({"gte": 2, "lte": 3}), "f0 f1 f20 f21 f22 f23", [(0, 10, 2)]),
        (count({"neq": 2}), "f0 f1 f10 f20 f21 f22", [(10, 20, 1), (20, 30, 3)]),
        # Rules
        (BOTH, "f0 f1 n2 f3", [(1, 2, 2)]),
        (BOTH, "n0 f10", []),
        (TWO_OF_THREE, "s0 s1 n3", [(1, 3, 2)]),
        (ordered("fail", "success"), "s0 f1 n2 s3 s4", [(1, 3, 2)]),
        (ordered("fail", "success"), "s0 f1", []),
        (ordered("fail", "fail", "scan"), "f0 n1 f2 n3", [(0, 3, 2)]),
        (ordered("fail", "success"), "f0 f5 s12 f30 s40", [(5, 12, 2)]),
    ],
)  # fmt: skip
@virtual_time
async def test_a_correlation_finds(given, text, expected):
    found = shown(await outcome(many(text), given))
    assert found == [("ann", *numbers) for numbers in expected]


@virtual_time
async def test_different_values_are_counted():
    given = correlation("value_count", {"gte": 3, "field": "host"})
    hosts = ["a", "b", "a", "b", None, "c"]
    events = [event("fail", s, host=host) for s, host in enumerate(hosts)]
    assert shown(await outcome(events, given)) == [("ann", 2, 5, 3)]
    few = correlation("value_count", {"lte": 2, "field": "host"})
    assert shown(await outcome(events, few)) == []
    assert shown(await outcome(events[:4], few)) == [("ann", 0, 10, 2)]


@virtual_time
async def test_groups_are_counted_each_for_itself_and_without_the_field_not_at_all():
    events = [event("fail", s, user) for s, user in enumerate(["a", "b", "a", None, None, "b"])]
    given = correlation(condition={"gte": 2})
    assert shown(await outcome(events, given)) == [("a", 0, 2, 2), ("b", 1, 5, 2)]
    of_all = correlation(condition={"gte": 6}, group_by=[])
    assert shown(await outcome(events, of_all)) == [(0, 5, 6)]


@virtual_time
async def test_fields_may_have_other_names_in_other_rules():
    given = correlation(
        "temporal",
        rules=["scan", "fail"],
        group_by=["who"],
        aliases={"who": {"scan": "src", "fail": "user"}},
    )
    events = [event("scan", 0, None, src="ann"), event("fail", 1, "bob"), event("fail", 2, "ann")]
    assert shown(await outcome(events, given)) == [("ann", 0, 2, 2)]


@virtual_time
async def test_alerts_go_on_that_nothing_correlates_or_that_are_wanted():
    events = [event("fail", 0), event("scan", 1)]
    quiet = await outcome(events, correlation(condition={"gte": 9}))
    assert [alert["title"] for alert in quiet] == ["Scan"]
    loud = await outcome(events, correlation(condition={"gte": 9}, generate=True))
    assert [alert["title"] for alert in loud] == ["Fail", "Scan"]


@virtual_time
async def test_alerts_out_of_order_are_put_in_order():
    events = [event("success", 5), event("fail", 3)]
    given = correlation("temporal_ordered", rules=["fail", "success"])
    assert shown(await outcome(events, given, lateness=10)) == [("ann", 3, 5, 2)]


@virtual_time
async def test_a_late_alert_is_rejected_as_it_is():
    rules = [
        *RULES,
        correlation(condition={"gte": 1}),
        correlation(condition={"gte": 1}) | {"id": "d"},
    ]
    async with Harness() as harness:
        harness.chain(*chain_of(rules, late="reject"), config={"on_error": "skip"})
        harness.send([event("fail", 9), event("fail", 3)])
        await harness.finish()
        [failure] = harness.errors
        assert failure.event["event"] == event("fail", 3)


async def test_without_a_correlation_it_is_refused():
    with pytest.raises(ConfigError, match="there is no correlation among its rules"):
        Harness().chain(*chain_of(RULES))


@virtual_time
async def test_a_correlation_that_was_changed_begins_anew():
    store = MemoryStateStore()
    found = []
    for life, least in enumerate((3, 2, 3), 1):
        harness = Harness(store=store)
        pipeline = harness.chain(*chain_of([*RULES, correlation(condition={"gte": least})]))
        async with harness:
            harness.send(many("f0 f0") * life)  # Those of before were read.
            await harness.settle()
            await harness.advance(1)
            await pipeline.checkpoint()
            await harness.crash()
            found.append(len(harness.out()))
    assert found == [0, 1, 1]


# Everything together


def stream(count):
    chance = random.Random(3)
    return [
        event(
            chance.choice(["fail", "fail", "success", "scan", "other"]),
            i / 3 + chance.random() * 4.9,
            chance.choice("xyz"),
            host=chance.choice("abcdef"),
        )
        for i in range(count)
    ]


ALL = [
    correlation(condition={"gte": 4}),
    correlation("value_count", {"gte": 3, "field": "host"}) | {"id": "d"},
    correlation(condition={"lte": 2}) | {"id": "e"},
    correlation("temporal_ordered", rules=["fail", "success", "scan"]) | {"id": "f"},
    correlation("temporal", rules=["fail", "success", "scan"]) | {"id": "g"},
]


def exact(events):
    """Count everything, each time anew, for every group and each correlation of `ALL`."""
    found = []
    for user in "xyz":
        mine = sorted((e for e in events if e["user"] == user), key=lambda e: e["at"])
        fails = [e for e in mine if e["type"] == "fail"]
        kinds = [e for e in mine if e["type"] in ("fail", "success", "scan")]
        found += rising("c", user, fails, lambda window: len(window) >= 4)
        found += rising("d", user, fails, lambda window: len({e["host"] for e in window}) >= 3)
        found += rising("f", user, kinds, is_ordered)
        found += rising("g", user, kinds, lambda window: len({e["type"] for e in window}) == 3)
        rest = fails
        while rest:
            end = rest[0]["at"] + 10_000
            if sum(e["at"] < end for e in rest) <= 2:
                found.append(("e", user, end))
            rest = [e for e in rest if e["at"] >= end]
    return sorted(found)


def rising(id_, user, events, holds):
    found, was = [], False
    for i, e in enumerate(events):
        before = [b for b in events[:i] if b["at"] > e["at"] - 10_000]
        was = was and holds(before)
        if not was and holds([*before, e]):
            found.append((id_, user, e["at"]))
            was = True
    return found


def is_ordered(window):
    types = iter([e["type"] for e in window])
    return all(wanted in types for wanted in ("fail", "success", "scan"))


def as_exact(alerts):
    return sorted((a["rule_id"], a["group"]["user"], a["end_ms"]) for a in alerts)


@virtual_time
async def test_the_same_is_found_as_by_counting_everything_each_time():
    events = stream(500)
    at_once = await outcome(events, *ALL, lateness=5)
    assert as_exact(at_once) == exact(events)
    assert {a["rule_id"] for a in at_once} == set("cdefg")
    assert await outcome(events, *ALL, lateness=5, singly=True) == at_once


@virtual_time
async def test_a_crash_anywhere_changes_nothing_of_what_comes_out():
    events = stream(150)
    expected = exact(events)

    def source(app, pipeline):
        made = MemorySource(app, pipeline, events, chunk_size=7)
        slow(made, 0.3, method="read")  # So there are several checkpoints on the way.
        return made

    def build(harness, table):
        sink = partial(MemoryTwoPhaseSink, table=table)
        harness.chain(partial(source), *chain_of([*RULES, *ALL], 5), sink)

    def check(table):
        assert as_exact(table.Events) == expected

    assert await crash_everywhere(MemoryTable, build, check, every=131) > 20
