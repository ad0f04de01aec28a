"""Patterns: the machine finds what a search through all possible matches finds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import Search, patterns

from bspump.abc.event_time import END_MS
from bspump.pattern.machine import Machine
from bspump.state.plain import decode, encode


@st.composite
def streams(draw):
    at_ms, found = 1000, []
    drawn = draw(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), max_size=8))
    for number, (step_ms, letter) in enumerate(drawn):
        at_ms += step_ms
        found.append((at_ms, {"x": letter, "n": number}))
    return found


def run(machine, work, events, *, is_last=True):
    """Return what is found, as `Search` has it."""
    hits = []
    for at_ms, event in events:
        while machine.due_ms(work) <= at_ms:
            hits += machine.expire(work, machine.due_ms(work))
        hits += machine.take(work, at_ms, event)
    while is_last and machine.due_ms(work) < END_MS:
        hits += machine.expire(work, machine.due_ms(work))
    return [_shown(hit) for hit in hits]


def _shown(hit):
    path = [(name, event["n"]) for name, events in hit.events.items() for event in events]
    return hit.end_ms, sorted(path, key=lambda each: each[1])


@settings(max_examples=400)
@given(patterns(), streams())
def test_all_matches_are_found_and_no_others_in_their_order(pattern, events):
    machine = Machine(pattern)
    assert run(machine, machine.new(), events) == Search(pattern, events).results()


@given(patterns(), streams(), st.data())
def test_a_stream_that_is_cut_and_restored_anywhere_gives_the_same(pattern, events, data):
    cut = data.draw(st.integers(0, len(events)))
    expected = run(Machine(pattern), Machine(pattern).new(), events)
    first, work = Machine(pattern), Machine(pattern).new()
    found = run(first, work, events[:cut], is_last=False)
    found += run(Machine(pattern), decode(encode(work, of="test")), events[cut:])
    assert found == expected


@given(patterns(), streams())
def test_events_that_nothing_needs_any_more_are_forgotten(pattern, events):
    machine, work = Machine(pattern, max_runs=20), Machine(pattern).new()
    for number in range(300 if events else 0):
        at_ms, event = events[number % len(events)]
        run(machine, work, [(at_ms + number * 3, event)], is_last=False)
        assert len(work["events"]) <= len(work["nodes"]) <= 2 * work["swept"] + 16 + 4 * 20
    assert machine.is_idle(work) is (not work["runs"])
    assert work["runs"] or not work["nodes"]


@pytest.mark.parametrize("drops_oldest", [True, False])
@given(pattern=patterns(), events=streams())
def test_a_limit_holds_and_what_it_drops_is_counted(drops_oldest, pattern, events):
    machine = Machine(pattern, max_runs=2, max_length=3, drops_oldest=drops_oldest)
    work = machine.new()
    found = run(machine, work, events, is_last=False)
    assert len(work["runs"]) <= 2
    whole = Machine(pattern)
    expected = run(whole, whole.new(), events, is_last=False)
    assert machine.dropped or found == expected
