"""Joins find what a plain search over all events finds, cut and restored anywhere."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joining import arriving, behind, benches, check_none_is_late, run

from bspump.join import AsOfJoin, IntervalJoin, TemporalJoin

LATENESS_MS = 6

event = st.fixed_dictionaries(
    {
        "side": st.sampled_from("LR"),
        "key": st.sampled_from(["a", "a", "b", "c", None]),
        "at": st.integers(0, 20),
        "delay": st.integers(0, LATENESS_MS),
    }
)
# Short lists seldom have pairs.
events = st.integers(0, 30).flatmap(
    lambda count: st.lists(event, min_size=count, max_size=count).map(
        lambda drawn: [event | {"id": i} for i, event in enumerate(drawn)]
    )
)
cuts = st.sets(st.integers(0, 30), max_size=4)
ticks = st.sets(st.integers(0, 30), max_size=10)

SIDES = {"left": {"side": "L"}, "right": {"side": "R"}, "key": "key"}


@pytest.fixture(scope="module")
def bench():
    with benches() as bench:
        yield bench


def ids(pair):
    left, right = pair["left"], pair["right"]
    return left and left["id"], right and right["id"]


def both_sides(stream):
    lefts = [event for _, event in stream if event["side"] == "L"]
    rights = [event for _, event in stream if event["side"] == "R"]
    return lefts, rights


def paired(stream, first_ms, last_ms, kind):
    """Return what an interval join finds, as SQL has it, each with its time."""
    lefts, rights = both_sides(stream)
    found, matched = [], set()
    for left in lefts:
        for right in rights:
            is_near = first_ms <= right["at"] - left["at"] <= last_ms
            if is_near and left["key"] is not None and left["key"] == right["key"]:
                found.append(((left["id"], right["id"]), max(left["at"], right["at"])))
                matched |= {left["id"], right["id"]}

    def alone_at(event, latest_ms):
        return event["at"] + (max(0, latest_ms) if event["key"] is not None else 0)

    if kind in ("left", "outer"):
        alone = [left for left in lefts if left["id"] not in matched]
        found += [((left["id"], None), alone_at(left, last_ms)) for left in alone]
    if kind in ("right", "outer"):
        alone = [right for right in rights if right["id"] not in matched]
        found += [((None, right["id"]), alone_at(right, -first_ms)) for right in alone]
    return sorted(found, key=repr)


@given(
    drawn=events,
    interval=st.tuples(st.integers(-8, 8), st.integers(0, 8)),
    kind=st.sampled_from(["inner", "left", "right", "outer"]),
    cuts=cuts,
    ticks=ticks,
)
@example(
    drawn=[
        {"side": "R", "key": "a", "at": 8, "delay": 0, "id": 0},
        {"side": "L", "key": "a", "at": 12, "delay": 0, "id": 1},
        {"side": "L", "key": "a", "at": 17, "delay": 0, "id": 2},
    ],
    interval=(-2, 0),
    kind="outer",
    cuts=set(),
    ticks=set(),
)
def test_an_interval_join_finds_each_pair_once(bench, drawn, interval, kind, cuts, ticks):
    first_ms, last_ms = interval[0], interval[0] + interval[1]
    within = (first_ms / 1000, last_ms / 1000)
    make = partial(bench.make, IntervalJoin, **SIDES, within=within, kind=kind)
    stream = arriving(drawn, LATENESS_MS)
    found = run(bench, make, stream, cuts=cuts, ticks=ticks)
    check_none_is_late(found)
    got = sorted(((ids(pair), at_ms) for pair, at_ms, _ in behind(found)), key=repr)
    assert got == paired(stream, first_ms, last_ms, kind)


@given(drawn=events, kind=st.sampled_from(["inner", "outer"]))
def test_an_interval_join_forgets_what_finds_no_partners(bench, drawn, kind):
    part = bench.make(IntervalJoin, **SIDES, within=("-5ms", "3ms"), kind=kind)
    for context, event in arriving(drawn, LATENESS_MS):
        part.generate(context, event, 1)
    if kind == "outer":
        part.release()
    else:
        part.advance(30, 0)
    assert part.keys() == 0


@given(drawn=events, interval=st.tuples(st.integers(-8, 8), st.integers(0, 8)), cuts=cuts)
def test_what_is_given_up_comes_out_once_and_is_not_late(bench, drawn, interval, cuts):
    within = (interval[0] / 1000, sum(interval) / 1000)
    config = {"max_events": 2, "overflow": "evict"}
    make = partial(bench.make, IntervalJoin, **SIDES, within=within, kind="outer", config=config)
    found = run(bench, make, arriving(drawn, LATENESS_MS), cuts=cuts)
    check_none_is_late(found)
    alone = [
        event["id"]
        for pair, _, _ in found
        for event in pair.values()
        if None in pair.values() and event
    ]
    matched = {
        event["id"] for pair, _, _ in found for event in pair.values() if None not in pair.values()
    }
    assert sorted([*alone, *matched]) == [event["id"] for event in drawn]


def newest(stream, max_age_ms, kind):
    """Return what an as-of join finds: the last one that came, of those of the newest time."""
    lefts, rights = both_sides(stream)
    found = []
    for left in lefts:
        before = [
            right
            for right in rights
            if right["key"] == left["key"] is not None
            and right["at"] <= left["at"]
            and (max_age_ms is None or right["at"] >= left["at"] - max_age_ms)
        ]
        best = None
        for right in before:
            if best is None or right["at"] >= best["at"]:
                best = right
        if best is not None or kind == "left":
            found.append(((left["id"], best and best["id"]), left["at"]))
    return sorted(found, key=repr)


@given(
    drawn=events,
    max_age_ms=st.none() | st.integers(0, 12),
    kind=st.sampled_from(["inner", "left"]),
    retention=st.sampled_from([0, 0.004]),
    cuts=cuts,
    ticks=ticks,
)
def test_an_as_of_join_finds_the_newest_before(
    bench, drawn, max_age_ms, kind, retention, cuts, ticks
):
    make = partial(
        bench.make,
        AsOfJoin,
        **SIDES,
        kind=kind,
        max_age=None if max_age_ms is None else max_age_ms / 1000,
        config={"retention": retention},
    )
    stream = arriving(drawn, LATENESS_MS)
    found = run(bench, make, stream, cuts=cuts, ticks=ticks)
    check_none_is_late(found)
    with_key = [at_ms for pair, at_ms, _ in behind(found) if pair["left"]["key"] is not None]
    assert with_key == sorted(with_key)
    got = sorted(((ids(pair), at_ms) for pair, at_ms, _ in behind(found)), key=repr)
    assert got == newest(stream, max_age_ms, kind)


def valid(stream, is_deleted):
    """Return what a temporal join finds."""
    lefts, rights = both_sides(stream)
    found = []
    for left in lefts:
        known = [
            (right["from"], right["at"], number, right)
            for number, right in enumerate(rights)
            if right["key"] == left["key"] is not None
            and right["from"] <= left["at"]
            and right["at"] <= left["at"]
        ]
        best = max(known, key=lambda each: each[:3])[3] if known else None
        if best is not None and is_deleted(best):
            best = None
        found.append(((left["id"], best and best["id"]), left["at"]))
    return sorted(found, key=repr)


# What is valid from earlier than it is known must not be from before a deletion that is forgotten.
@pytest.mark.parametrize(("retention", "earliest"), [(1, -10), (0, 0), (0.005, 0)])
@given(drawn=events, data=st.data(), cuts=cuts, ticks=ticks)
def test_a_temporal_join_finds_what_was_valid(bench, retention, earliest, drawn, data, cuts, ticks):
    for event in drawn:
        event["from"] = event["at"] + data.draw(st.just(0) | st.integers(earliest, 15))
        event["deleted"] = data.draw(st.booleans())
    make = partial(
        bench.make,
        TemporalJoin,
        **SIDES,
        valid_from="from",
        deleted={"deleted": True},
        config={"retention": retention},
    )
    stream = arriving(drawn, LATENESS_MS)
    found = run(bench, make, stream, cuts=cuts, ticks=ticks)
    check_none_is_late(found)
    got = sorted(((ids(pair), at_ms) for pair, at_ms, _ in behind(found)), key=repr)
    assert got == valid(stream, lambda right: right["deleted"])


late_events = events.map(lambda drawn: [event | {"delay": event["delay"] * 3} for event in drawn])


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (IntervalJoin, {"within": ("-4ms", "7ms"), "kind": "outer"}),
        (AsOfJoin, {"max_age": "20ms", "config": {"retention": "5ms"}}),
        (TemporalJoin, {"deleted": lambda _, event: event["id"] % 3 == 0}),
        (TemporalJoin, {"config": {"retention": "5ms", "max_events": 2, "overflow": "evict"}}),
        (IntervalJoin, {"within": "9ms", "config": {"max_events": 2, "overflow": "evict"}}),
    ],
)
@given(drawn=late_events, cuts=cuts, ticks=ticks)
def test_cut_and_restored_the_same_comes_out_in_the_same_order(
    bench, kind, arguments, drawn, cuts, ticks
):
    make = partial(bench.make, kind, **SIDES, **arguments)
    # Beyond what the watermark allows for, so some are late.
    stream = arriving(drawn, 3 * LATENESS_MS)
    stream = [
        (context | {"watermark_ms": context["watermark_ms"] + 12}, e) for context, e in stream
    ]
    whole = run(bench, make, stream)
    assert run(bench, make, stream, cuts=cuts) == whole
    # The same is late behind the join, whether time was told between the events or not.
    assert behind(run(bench, make, stream, cuts=cuts, ticks=ticks)) == behind(whole)
