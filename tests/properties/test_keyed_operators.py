"""Operators of single events: cut anywhere, what comes out is what a batch computes."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyed_streams import (
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

from bspump.keyed import ChangeDetector, Deduplicator, NthSampler, RateLimiter, ReservoirSampler
from bspump.keyed.samplers import lot


@pytest.fixture(scope="module")
def pipeline():
    yield from pipeline_at_rest()


# De-duplication


def firsts(stream, within, since):
    """Compare each event with all before it."""
    found, marks = [], defaultdict(list)
    for event in stream:
        is_new = all(abs(event["at"] - at) >= within for at in marks[event["key"]])
        if is_new:
            found.append(event)
        if is_new or since == "last":
            marks[event["key"]].append(event["at"])
    return found


@settings(**LIMITS)
@given(
    stream=streams(plain),
    within=st.integers(1, 12),
    since=st.sampled_from(["first", "last"]),
    data=st.data(),
)
def test_of_what_lies_within_a_time_the_first_goes_on(pipeline, stream, within, since, data):
    config = {**times, "within": within / 1000, "since": since}
    found = run(pipeline, lambda a, p: Deduplicator(a, p, config=config), stream, LATENESS, data)
    assert found == firsts(stream, within, since)


# Changes

readings = st.fixed_dictionaries(
    {"key": keys, "level": st.sampled_from([0, 1, 1.5, 2, 3, 10, None])},
    optional={"state": st.sampled_from(["on", "off", [1], [2]])},
)


def reported(stream, least):
    found, last = [], {}
    for event in stream:
        now = {name: event[name] for name in ("level", "state") if name in event}
        before = last.setdefault(event["key"], {})
        changes = {}
        for name in {*before, *now}:
            old, new = before.get(name), now.get(name)
            if (name in before) == (name in now):
                is_number = name == "level" and old is not None and new is not None
                if (abs(old - new) < least) if is_number and old != new else old == new:
                    continue
            change = {"old": old} if name in before else {}
            changes[name] = change | ({"new": new} if name in now else {})
            before.pop(name, None)
            if name in now:
                before[name] = new
        if changes:
            found.append({**event, "changes": changes})
    return found


@settings(**LIMITS)
@given(stream=streams(readings), least=st.sampled_from([0, 1, 1.5, 2]), data=st.data())
def test_an_event_goes_on_if_something_has_changed_by_enough(pipeline, stream, least, data):
    config = {**times, "min_change.level": least}
    fields = ["level", "state"]
    found = run(
        pipeline,
        lambda a, p: ChangeDetector(a, p, fields=fields, config=config),
        stream,
        LATENESS,
        data,
    )
    assert found == reported(stream, least)


# Rates


class Bucket:
    """A bucket of tokens, with fractions."""

    def __init__(self, rate, per, burst):
        self.rate, self.burst = Fraction(rate, per), burst
        self.tokens, self.last = Fraction(burst), 0

    def take(self, at):
        """Take one token if there is one at that time."""
        at = max(at, self.last)
        self.tokens = min(Fraction(self.burst), self.tokens + (at - self.last) * self.rate)
        self.last = at
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


limits = st.fixed_dictionaries(
    {"rate": st.integers(1, 4), "per": st.integers(3, 20), "burst": st.integers(1, 5)}
)


@settings(**LIMITS)
@given(stream=streams(plain), limit=limits, over=st.sampled_from(["drop", "mark"]), data=st.data())
def test_events_beyond_the_tokens_are_dropped_or_marked(pipeline, stream, limit, over, data):
    buckets = defaultdict(lambda: Bucket(**limit))
    expected = []
    for event in stream:
        if buckets[event["key"]].take(event["at"]):
            expected.append(event)
        elif over == "mark":
            expected.append({**event, "over_limit": True})
    config = {**times, **limit, "per": limit["per"] / 1000, "over": over}
    make = lambda a, p: RateLimiter(a, p, config=config)  # noqa: E731
    assert run(pipeline, make, stream, LATENESS, data) == expected


def turns(stream, rate, per, burst):
    """Return by id the millisecond at which there is a token for an event that waits its turn."""
    found, debts = {}, {}
    for event in stream:
        latest, full_at = debts.get(event["key"], (0, Fraction(0)))
        latest = max(latest, event["at"])
        full_at = max(full_at, Fraction(latest))
        found[event["id"]] = max(latest, ceil(full_at - Fraction(per, rate) * (burst - 1)))
        debts[event["key"]] = latest, full_at + Fraction(per, rate)
    return found


@settings(**LIMITS)
@given(stream=streams(plain), limit=limits, data=st.data())
def test_delayed_events_go_on_when_it_is_their_turn(pipeline, stream, limit, data):
    config = {**times, **limit, "per": limit["per"] / 1000, "over": "delay"}
    life = Life(pipeline, lambda a, p: RateLimiter(a, p, config=config), LATENESS)
    due, latest = turns(stream, **limit), {}
    for number, event in enumerate(stream, 1):
        if data.draw(st.booleans()):
            life.checkpoint(crash=data.draw(st.booleans()))
        life.feed(event)
        key = event["key"]
        latest[key] = max(latest.get(key, 0), event["at"])
        life.tick()
        gone = {each["id"] for each in life.out}
        for each in stream[:number]:
            now = max(life.watermark, latest[each["key"]])
            assert (each["id"] in gone) == (due[each["id"]] <= now)
    assert by_key(life.release()) == by_key(stream)
    assert len(life.part._held) == 0


# Samples


@settings(**LIMITS)
@given(stream=streams(plain), every=st.integers(1, 5), data=st.data())
def test_every_so_many_th_event_of_a_key_goes_on(pipeline, stream, every, data):
    expected = [e for events in by_key(stream).values() for e in events[::every]]
    make = lambda a, p: NthSampler(a, p, config={**times, "every": every})  # noqa: E731
    found = run(pipeline, make, stream, LATENESS, data)
    assert found == sorted(expected, key=lambda event: event["id"])


@settings(**LIMITS)
@given(stream=streams(plain), size=st.integers(1, 4), per=st.integers(1, 30), data=st.data())
def test_a_sample_of_each_window_is_what_has_the_best_lots(pipeline, stream, size, per, data):
    windows = defaultdict(list)
    for event in stream:
        windows[event["key"], event["at"] - event["at"] % per].append(event)
    expected = defaultdict(list)
    for (key, start), events in sorted(windows.items()):
        lots = {lot("s", (key, start, i)): event for i, event in enumerate(events)}
        best = [lots[drawn] for drawn in sorted(lots)[:size]]
        expected[key, start] = sorted(best, key=lambda event: event["id"])
    config = {**times, "size": size, "per": per / 1000, "salt": "s"}
    make = lambda a, p: ReservoirSampler(a, p, config=config)  # noqa: E731
    reached = max((event["at"] for event in stream), default=0) - LATENESS
    found = defaultdict(list)
    for event in run(pipeline, make, stream, LATENESS, data):
        found[event["key"], event["at"] - event["at"] % per].append(event)
    for (_, start), events in expected.items():
        if start + per > reached:
            # At the end of the input they go on in the order of their times.
            events.sort(key=lambda event: event["at"])
    for key, events in found.items():
        if key[1] + per > reached:
            events.sort(key=lambda event: (event["at"], event["id"]))
    assert found == expected
