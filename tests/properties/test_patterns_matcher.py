"""The matcher finds what a search finds: out of order, in batches of any size, cut anywhere."""

from __future__ import annotations

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from searching import Search, patterns

from bspump.pattern import PatternMatcher
from bspump.state import MemoryStateStore
from bspump.testing import Harness, MemorySource, MemoryTable, MemoryTwoPhaseSink, run_virtual
from bspump.window import EventTime

LATENESS_MS = 4


@st.composite
def arrivals(draw):
    """Return events of three keys in the order in which they come, none of them late."""
    drawn = draw(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc")), max_size=10))
    at_ms, found = 1000, []
    for step_ms, letter in drawn:
        at_ms += step_ms
        delay_ms = draw(st.integers(0, LATENESS_MS))
        event = {"at": at_ms, "x": letter, "key": draw(st.sampled_from("pq"))}
        found.append((at_ms + delay_ms, event))
    events = [event for _, event in sorted(found, key=lambda each: each[0])]
    for number, event in enumerate(sorted(events, key=lambda e: e["at"])):
        event["n"] = number
    return events


def expected(pattern, events):
    found = []
    for key in "pq":
        mine = sorted((e for e in events if e["key"] == key), key=lambda e: e["at"])
        search = Search(pattern, [(e["at"], e) for e in mine])
        for at_ms, path in search.results():
            found.append((key, at_ms, [(name, mine[n]["n"]) for name, n in path]))
    return found


def shown(match):
    path = [(name, e["n"]) for name, events in match["matched"].items() for e in events]
    return match["key"], match["end_ms"], sorted(path, key=lambda each: each[1])


async def lives(pattern, events, chunk_size, cut):
    """Return what is found by a program that crashes after a checkpoint, and its second life."""
    store, table = MemoryStateStore(), MemoryTable()
    for life, is_endless in ((events[:cut], True), (events, False)):
        harness = Harness(store=store)
        clock = {"lateness": f"{LATENESS_MS}ms", "max_skew": 0}
        pipeline = harness.chain(
            partial(MemorySource, events=life, chunk_size=chunk_size, is_endless=is_endless),
            partial(EventTime, time="at", config=clock),
            partial(PatternMatcher, pattern=pattern, key="key"),
            partial(MemoryTwoPhaseSink, table=table),
            id="P",
        )
        async with harness:
            if not is_endless:
                await harness.finish()
            else:
                await harness.settle()
                await pipeline.checkpoint()
                await harness.crash()
    return table.Events


@settings(max_examples=50)
@given(patterns(), arrivals(), st.integers(1, 7), st.data())
def test_a_matcher_finds_what_a_search_finds(pattern, events, chunk_size, data):
    cut = data.draw(st.integers(0, len(events)))
    found = run_virtual(lives(pattern, events, chunk_size, cut))
    by_key = sorted(map(shown, found), key=lambda each: each[0])
    assert by_key == expected(pattern, events)
    assert [m["end_ms"] for m in found] == sorted(m["end_ms"] for m in found)
