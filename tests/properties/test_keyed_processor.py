"""A keyed processor gives what a plain loop gives, whatever batches and crashes there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bspump.abc import timers
from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.abc.keyed import KeyedProcessor
from bspump.state import MemoryStateStore
from bspump.testing import (
    MemoryEpochSink,
    MemorySource,
    MemoryTable,
    run_virtual,
    slow,
)
from bspump.testing.crashes import _live

GAP_MS, TTL_MS, STEPS = 7, 25, 8

streams = st.lists(
    st.tuples(st.sampled_from("cab"), st.integers(0, 6), st.integers(0, 3)), max_size=25
)
"""Key, how much later than the one before, and how late the event is."""


class Sessions(KeyedProcessor):
    """Counts the events of a session, and of all the time that the key lives."""

    def key(self, context, event):
        return event["key"]

    def new_state(self):
        return {"all": 0, "session": 0}

    def process_keyed(self, state, context, event):
        state["all"] += 1
        state["session"] += 1
        self.set_timer("gap", event["at"] + GAP_MS)
        if state["all"] % 5 == 0:
            self.forget()
        return [event["key"], state["all"]] if event["at"] % 3 else None

    def on_timer(self, state, key, timer):
        session, state["session"] = state["session"], 0
        return (key, timer.at_ms, session)


def events_of(stream):
    now_ms, made = 0, []
    for key, later_ms, late_ms in stream:
        now_ms += later_ms
        made.append({"key": key, "at": now_ms - late_ms, "watermark": now_ms})
    return made


def expected_of(events):
    """Compute the same in the simplest way, looking at everything for every event."""
    out, states = [], {}
    for event in events:
        fire(out, states, event["watermark"])
        at_ms = event["at"]
        state = states.setdefault(event["key"], {"all": 0, "session": 0, "last": at_ms})
        state["all"] += 1
        state["session"] += 1
        state["last"] = max(state["last"], at_ms)
        state["gap"] = at_ms + GAP_MS
        if state["all"] % 5 == 0:
            del states[event["key"]]
        if at_ms % 3:
            out += [event["key"], state["all"]]
    fire(out, states, None)
    return out


def fire(out, states, until_ms):
    while True:
        due = []
        for key, state in states.items():
            if "gap" in state:
                due.append((state["gap"], key, "gap"))
            if until_ms is not None:
                due.append((expires_ms(state), key, ""))
        # Of the same time by what they are.
        due.sort(key=lambda each: (each[0], repr(each[1:])))
        if not due or (until_ms is not None and due[0][0] > until_ms):
            return
        at_ms, key, name = due[0]
        if name == "gap":
            out.append((key, at_ms, states[key]["session"]))
            states[key]["session"] = 0
            del states[key]["gap"]
        else:
            del states[key]


def expires_ms(state):
    step_ms = TTL_MS // STEPS
    at_ms = state["last"] + TTL_MS
    return at_ms + -at_ms % step_ms


def stamp(context, event):
    context[EVENT_TIME], context[WATERMARK] = event["at"], event["watermark"]
    return event


@dataclass
class World:
    table: MemoryTable = field(default_factory=MemoryTable)


@settings(max_examples=40)
@given(streams, st.integers(1, 30), st.integers(1, 300))
def test_it_is_the_same_with_any_chunks_and_crashes(stream, chunk_size, turns):
    events = events_of(stream)
    expected = expected_of(events)

    def source(app, pipeline):
        made = MemorySource(app, pipeline, events, chunk_size=chunk_size)
        slow(made, 0.3, method="read")
        return made

    def build(harness, world):
        harness.chain(
            partial(source),
            stamp,
            partial(Sessions, config={"ttl": TTL_MS / 1000}),
            partial(MemoryEpochSink, table=world.table),
        )

    async def crash_once():
        world, store = World(), MemoryStateStore()
        await _live(store, build, world, turns)
        await _live(store, build, world, None)
        assert world.table.Events == expected

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timers, "_STEPS", STEPS)
        run_virtual(crash_once())
