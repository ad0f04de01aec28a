"""What windows say depends on the order of events alone.

Never on how many come at once, on pauses, on checkpoints, on stops, or on crashes.
"""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bspump.common import InternalSource, RouterSink
from bspump.state import MemoryStateStore
from bspump.testing import Harness, MemorySource, MemoryTable, MemoryTwoPhaseSink, run_virtual
from bspump.window import EventTime, Every, SenderTime, Session, Sum, Tumbling, WindowAggregator

WINDOW_S, LARGE_S = 10, 30


class OfPart(EventTime):
    def partition(self, context, event, /):
        return event["part"]


def kept(context, event):
    return None if event["drop"] else event


def timed(lateness_s):
    config = {"max_skew": 0, "idle": 0, "lateness": lateness_s}
    return partial(OfPart, time="at", id="Time", config=config)


def windows(window, id="Windows", n="count", **kwargs):
    return partial(WindowAggregator, window=window, key="key", aggregate={"n": n}, id=id, **kwargs)


small = partial(windows, Tumbling(f"{WINDOW_S}s"))
large = partial(windows, Tumbling(f"{LARGE_S}s"), "Large", Sum("n"))


def one(harness, source, sink, lateness_s, *parts):
    harness.chain(source, timed(lateness_s), kept, *parts, sink, id="One")


def linked(harness, source, sink, lateness_s, *parts):
    router = partial(RouterSink, id="Router", config={"target": "Two.*Queue"})
    harness.chain(source, timed(lateness_s), kept, *parts, router, id="One")
    harness.chain(
        partial(InternalSource, id="Queue"),
        partial(SenderTime, id="Time", config={"idle": 0}),
        large(),
        sink,
        id="Two",
    )


SHAPES = {
    "one window": one,
    "corrected": one,
    "early": one,
    "sessions": one,
    "windows of windows": one,
    "linked": linked,
    "linked early": linked,
}

PARTS = {
    "one window": lambda: [small()],
    "corrected": lambda: [small(config={"allowed_lateness": 7})],
    "early": lambda: [small(early=Every("3s"), says="retract")],
    "sessions": lambda: [windows(Session("6s"))],
    "windows of windows": lambda: [small(), large()],
    "linked": lambda: [small()],
    "linked early": lambda: [small(early=Every("3s"), says="discard")],
}


class Life:
    """Pipelines and what outlives them."""

    def __init__(self, shape, lateness_s):
        self.shape, self.lateness_s = shape, lateness_s
        self.events, self.table, self.store = [], MemoryTable(), MemoryStateStore()
        self.chunk_size = 100

    async def begin(self):
        self.harness = Harness(store=self.store)
        source = partial(
            MemorySource,
            events=self.events,
            is_endless=True,
            chunk_size=self.chunk_size,
            id="In",
        )
        sink = partial(MemoryTwoPhaseSink, table=self.table, id="Out")
        SHAPES[self.shape](self.harness, source, sink, self.lateness_s, *PARTS[self.shape]())
        await self.harness.__aenter__()

    async def crash(self):
        await self.harness.crash()
        await self.begin()

    async def stop(self):
        await self.harness.__aexit__(None, None, None)
        await self.begin()

    async def end(self):
        await self.harness.finish()
        await self.harness.__aexit__(None, None, None)
        return self.table.Events


async def said(shape, lateness_s, events, steps):
    """Return what comes out where events come by `steps`."""
    life = Life(shape, lateness_s)
    await life.begin()
    left = list(events)
    for kind, amount in steps:
        if kind == "send":
            life.harness.send(left[:amount])
            del left[:amount]
            if amount % 2:
                await life.harness.idle()
        elif kind == "turns":
            await life.harness._loop.turns(amount)
        elif kind == "pause":
            await life.harness.advance(amount / 10)
        elif kind in ("crash", "stop"):
            life.chunk_size = amount
            await (life.crash() if kind == "crash" else life.stop())
        else:
            await life.harness.settle()
    life.harness.send(left)
    return await life.end()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 12)),
        st.tuples(st.just("pause"), st.integers(1, 30)),
        st.tuples(st.just("turns"), st.integers(1, 20)),
        st.tuples(st.just("settle"), st.just(0)),
        st.tuples(st.sampled_from(["crash", "stop"]), st.integers(1, 20)),
    ),
    max_size=12,
)
events = st.lists(
    st.fixed_dictionaries(
        {
            "step": st.integers(-15, 20),
            "part": st.sampled_from("xy"),
            "key": st.sampled_from("kl"),
            "drop": st.booleans(),
        }
    ),
    max_size=40,
)


def placed(drawn):
    """Return events whose times go forward by and large."""
    found, at_s = [], 100
    for each in drawn:
        at_s += each["step"]
        rest = {key: value for key, value in each.items() if key != "step"}
        found.append({"at": at_s * 1000, **rest})
    return found


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=25)
@given(events.map(placed), st.sampled_from([0, 5, 20]), steps)
def test_only_the_order_of_events_counts(shape, events, lateness_s, steps):
    found = run_virtual(said(shape, lateness_s, events, steps))
    assert found == run_virtual(said(shape, lateness_s, events, []))


def counted(events, lateness_s):
    """Return what windows count, by walking through the events in plain Python."""
    newest, watermark_ms, found = {}, None, {}
    for event in events:
        newest[event["part"]] = max(newest.get(event["part"], 0), event["at"])
        reached_ms = min(newest.values()) - lateness_s * 1000
        watermark_ms = reached_ms if watermark_ms is None else max(watermark_ms, reached_ms)
        end_ms = (event["at"] // (WINDOW_S * 1000) + 1) * WINDOW_S * 1000
        if not event["drop"] and end_ms > watermark_ms:
            place = end_ms, event["key"]
            found[place] = found.get(place, 0) + 1
    return [(end_ms, key, n) for (end_ms, key), n in sorted(found.items())]


def by_large(counts):
    """Return the sums of small windows that make up the large ones."""
    large_ms, found = LARGE_S * 1000, {}
    for end_ms, key, n in counts:
        place = (end_ms - 1) // large_ms * large_ms + large_ms, key
        found[place] = found.get(place, 0) + n
    return [(end_ms, key, n) for (end_ms, key), n in sorted(found.items())]


@pytest.mark.parametrize("shape", ["one window", "windows of windows", "linked"])
@settings(max_examples=25)
@given(events.map(placed), st.sampled_from([0, 5, 20]), steps)
def test_windows_count_what_is_not_late(shape, events, lateness_s, steps):
    found = run_virtual(said(shape, lateness_s, events, steps))
    expected = counted(events, lateness_s)
    if shape != "one window":
        expected = by_large(expected)
    assert sorted((e["end_ms"], e["key"], e["n"]) for e in found) == expected
    assert [each["end_ms"] for each in found] == sorted(each["end_ms"] for each in found)
