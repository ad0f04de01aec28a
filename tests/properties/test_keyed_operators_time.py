"""Operators of several events: cut anywhere, what comes out is what a batch computes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyed_streams import (
    BEGIN,
    LATENESS,
    LIMITS,
    Life,
    by_key,
    keys,
    pipeline_at_rest,
    plain,
    run,
    streams,
    times,
)

from bspump.keyed import Sessionizer, TimeSorter, WaitingEnricher


@pytest.fixture(scope="module")
def pipeline():
    yield from pipeline_at_rest()


# Order


@settings(**LIMITS)
@given(stream=streams(plain, lateness=12), data=st.data())
def test_events_come_out_in_the_order_of_their_times(pipeline, stream, data):
    # Events may be further behind than the watermark allows: those come late.
    watermark, expected = BEGIN, []
    for event in stream:
        watermark = max(watermark, event["at"] - LATENESS)
        if event["at"] >= watermark:
            expected.append(event)
    found = run(pipeline, TimeSorter, stream, LATENESS, data)
    assert found == sorted(expected, key=lambda event: event["at"])


@settings(**LIMITS)
@given(stream=streams(plain), most=st.integers(1, 4), data=st.data())
def test_no_more_wait_for_their_time_than_allowed(pipeline, stream, most, data):
    life = Life(pipeline, lambda a, p: TimeSorter(a, p, config={"max_events": most}), LATENESS)
    for event in stream:
        life.feed(event)
        assert life.part.explain()["Waiting"] <= most
        life.checkpoint(crash=data.draw(st.booleans()))
    found = [event["at"] for event in life.release()]
    assert found == sorted(found)
    assert len(found) + life.part.explain()["Late"] <= len(stream)


# Sessions

visits = st.fixed_dictionaries({"key": keys, "kind": st.sampled_from(["in", "x", "x", "out"])})


def sessions(events, gap, length, most):
    """Cut the events of one key, which are in their order, into sessions."""
    found, rest = [], list(events)
    while rest:
        if rest[0]["kind"] not in ("in", "out"):
            rest.pop(0)
            continue
        taken, reason = [], "end"
        while rest:
            if taken:
                by_gap = taken[-1]["at"] + gap
                by_length = taken[0]["at"] + length
                if rest[0]["at"] >= min(by_gap, by_length):
                    reason = "gap" if by_gap <= by_length else "length"
                    break
            taken.append(rest.pop(0))
            if taken[-1]["kind"] == "out" or len(taken) == most:
                reason = "event" if taken[-1]["kind"] == "out" else "size"
                break
        found.append((reason, taken))
    return found


@settings(**LIMITS)
@given(
    stream=streams(visits, lateness=0),
    gap=st.integers(3, 15),
    length=st.integers(5, 30),
    most=st.integers(1, 6),
    lateness=st.sampled_from([0, 5]),
    data=st.data(),
)
def test_sessions_end_by_an_event_a_gap_their_length_or_size(
    pipeline, stream, gap, length, most, lateness, data
):
    def make(app, pipeline):
        return Sessionizer(
            app,
            pipeline,
            opens=lambda context, event: event["kind"] in ("in", "out"),
            closes=lambda context, event: event["kind"] == "out",
            config={**times, "gap": gap / 1000, "max_length": length / 1000, "max_events": most},
        )

    found = by_key(run(pipeline, make, stream, lateness, data))
    reached = max((event["at"] for event in stream), default=0) - lateness
    for key, events in by_key(stream).items():
        expected = sessions(events, gap, length, most)
        if expected and expected[-1][0] == "end":
            taken = expected[-1][1]
            ends = {"gap": taken[-1]["at"] + gap, "length": taken[0]["at"] + length}
            reason = min(ends, key=ends.get)
            if ends[reason] <= reached:
                expected[-1] = reason, taken
        assert [(s["reason"], s["events"]) for s in found[key]] == expected
        for session in found[key]:
            assert session["start_ms"] == session["events"][0]["at"]
            assert session["end_ms"] == session["events"][-1]["at"]
            assert session["count"] == len(session["events"])


@settings(**LIMITS)
@given(stream=streams(visits), data=st.data())
def test_sessions_of_events_out_of_order_are_the_same_after_a_crash(pipeline, stream, data):
    make = lambda a, p: Sessionizer(a, p, config={**times, "gap": 0.004})  # noqa: E731
    whole = Life(pipeline, make, LATENESS)
    for event in stream:
        whole.feed(event)
    expected = by_key(whole.release())
    assert by_key(run(pipeline, make, stream, LATENESS, data)) == expected
    found = [e for events in expected.values() for session in events for e in session["events"]]
    assert sorted(e["id"] for e in found) == [e["id"] for e in stream]


# Enrichment

orders = st.fixed_dictionaries({"key": keys, "kind": st.sampled_from(["order", "order", "paid"])})


def enriched(stream, timeout, remember):
    """Look for the companion of each event, before it and behind it."""
    found, latest = {}, BEGIN
    watermarks = []
    for event in stream:
        latest = max(latest, event["at"])
        watermarks.append(latest - LATENESS)
    for i, event in enumerate(stream):
        if event["kind"] == "paid":
            continue
        same = [j for j, e in enumerate(stream) if (e["key"], e["kind"]) == (event["key"], "paid")]
        before = max((j for j in same if j < i), default=None)
        after = min((j for j in same if j > i), default=None)
        is_known = remember and before is not None
        if is_known and event["at"] < stream[before]["at"] + remember:
            found[i] = {**event, "enrichment": stream[before]}
        elif after is not None and watermarks[after] < event["at"] + timeout:
            found[i] = {**event, "enrichment": stream[after]}
        else:
            found[i] = event
    return found


@settings(**LIMITS)
@given(
    stream=streams(orders),
    timeout=st.integers(1, 20),
    remember=st.sampled_from([0, 1, 10, 50]),
    data=st.data(),
)
def test_an_event_waits_for_its_companion_up_to_a_time(pipeline, stream, timeout, remember, data):
    def make(app, pipeline):
        return WaitingEnricher(
            app,
            pipeline,
            companion=lambda context, event: event["kind"] == "paid",
            config={**times, "timeout": timeout / 1000, "remember": remember / 1000},
        )

    found = run(pipeline, make, stream, LATENESS, data)
    assert len(found) == len({event["id"] for event in found})
    assert {event["id"]: event for event in found} == enriched(stream, timeout, remember)
