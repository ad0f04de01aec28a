"""What is in time when its time is read is in time for its window, whatever overtakes it."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bspump
from bspump.testing import Harness, run_virtual
from bspump.window import EventTime, Tumbling, WindowAggregator

WINDOW_MS = 10_000


class Sleeper(bspump.AsyncProcessor):
    """Waits for as long as events say, and lets them overtake each other."""

    async def process(self, context, event, /):
        await self.App.Clock.sleep(event["sleep"])
        return None if event["drop"] else event


class SleepingGenerator(bspump.Generator):
    """Makes two events of each, one at once and one some time later."""

    async def generate(self, context, event, depth, /):
        self.Pipeline.inject(context, {**event, "copy": True}, depth)
        if event["sleep"]:
            await self.App.Clock.sleep(event["sleep"])
        if not event["drop"]:
            self.Pipeline.inject(context, event, depth)


unordered = partial(Sleeper, config={"timeout": 0, "ordered": False})
full = partial(Sleeper, config={"timeout": 0, "ordered": False, "concurrency": 2})
SHAPES = {
    "unordered": [unordered],
    "one after the other": [unordered, full],
    "ordered behind": [unordered, partial(Sleeper, config={"timeout": 0})],
    "generator": [SleepingGenerator],
    "generator before": [SleepingGenerator, unordered],
}


@st.composite
def streams(draw):
    """Return events whose times go forward by and large, some of which come a while later."""
    found, at_s = [], 100
    for _ in range(draw(st.integers(0, 25))):
        at_s += draw(st.integers(-10, 15))
        found.append(
            {
                "at": at_s * 1000,
                "sleep": draw(st.sampled_from([0, 0, 0.1, 0.5, 2, 7])),
                "drop": draw(st.booleans()),
                "pause": draw(st.sampled_from([0, 0, 0.2, 1])),
            }
        )
    return found


def in_time(events, lateness_s):
    """Return how many events of each window are in time when they are read."""
    newest_ms, found = 0, {}
    for event in events:
        newest_ms = max(newest_ms, event["at"])
        end_ms = (event["at"] // WINDOW_MS + 1) * WINDOW_MS
        if not event["drop"] and event["at"] >= newest_ms - lateness_s * 1000:
            found[end_ms] = found.get(end_ms, 0) + 1
    return found


async def counted(shape, events, lateness_s):
    harness = Harness()
    config = {"max_skew": 0, "lateness": lateness_s}
    windows = partial(
        WindowAggregator,
        window=Tumbling(f"{WINDOW_MS}ms"),
        aggregate={"n": "count"},
        config={"allowed_lateness": 0},
    )
    harness.chain(
        partial(EventTime, time="at", config=config),
        *SHAPES[shape],
        lambda context, event: None if "copy" in event else event,
        windows,
    )
    async with harness:
        for event in events:
            harness.send([event])
            await harness.advance(event["pause"])
        await harness.finish()
        return {each["end_ms"]: each["n"] for each in harness.out()}


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=25)
@given(streams(), st.sampled_from([0, 5]))
def test_no_window_misses_an_event_that_was_in_time(shape, events, lateness_s):
    found = run_virtual(counted(shape, events, lateness_s))
    missing = {
        end_ms: n for end_ms, n in in_time(events, lateness_s).items() if found.get(end_ms, 0) < n
    }
    assert not missing
