"""Streams of events with times, and operators that are cut anywhere and restored."""

from __future__ import annotations

import asyncio
import copy
from collections import defaultdict

from hypothesis import strategies as st

from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.abc.state import PartState
from bspump.state.plain import decode, encode
from bspump.testing import Harness

BEGIN = -(1 << 62)
LIMITS = {"deadline": None, "max_examples": 25}


def pipeline_at_rest():
    """Return a pipeline that does not run; what is handed on in it goes where a test says."""

    async def enter():
        harness = Harness()
        return harness.chain(lambda context, event: event)

    def fail(context, event, error):
        raise error

    loop = asyncio.new_event_loop()
    made = loop.run_until_complete(enter())
    made.is_durable = lambda: True
    made.set_error = fail
    yield made
    loop.close()


class Store:
    """Keeps snapshots as a checkpoint does, as bytes."""

    def __init__(self):
        self.version, self.value, self.keyed = 1, None, {}

    def keep(self, part):
        snapshot = part.snapshot()
        if snapshot is None:
            return
        self.version, self.value = snapshot.version, encode(snapshot.value, of="a test")
        for key in snapshot.removed:
            self.keyed.pop(encode(key, of="a test"), None)
        for key, value in snapshot.changed.items():
            self.keyed[encode(key, of="a test")] = encode(value, of="a test")

    def bring_back(self, part):
        if self.value is not None:
            keyed = {decode(key): decode(value) for key, value in sorted(self.keyed.items())}
            part.restore(PartState(version=self.version, value=decode(self.value), keyed=keyed))
        return part


class Life:
    """One part after the other, each restored from what the one before has kept.

    It checks on the way that nothing which comes out is late behind the part.
    """

    def __init__(self, pipeline, make, lateness=0):
        self._pipeline, self._make, self._lateness = pipeline, make, lateness
        self._store = Store()
        self.out, self.latest, self.told = [], BEGIN, BEGIN
        self.part = self._new()

    def _new(self):
        part = self._make(self._pipeline.App, self._pipeline)
        self._pipeline.MetricsService.remove(part._counter)
        if hasattr(part, "_late"):
            self._pipeline.MetricsService.remove(part._late._events._counter)
        self._pipeline.inject = lambda context, event, depth: self._came_out(context, event)
        return part

    def _came_out(self, context, event):
        assert context[EVENT_TIME] >= self.told, "it comes late behind the part"
        self.told = max(self.told, context[WATERMARK])
        self.out.append(copy.deepcopy(event))

    @property
    def watermark(self):
        return self.latest - self._lateness

    def feed(self, event):
        self.latest = max(self.latest, event["at"])
        context = {EVENT_TIME: event["at"], WATERMARK: self.watermark}
        for made in self.part.generate(context, copy.deepcopy(event), 1):
            self._came_out(context.copy(), made)

    def tick(self):
        """Do what the engine does between events."""
        self.part.advance(self.watermark, 0)
        self.told = max(self.told, min(self.watermark, self.part.held_ms()))

    def checkpoint(self, *, crash):
        self._store.keep(self.part)
        if crash:
            self.part = self._store.bring_back(self._new())

    def release(self):
        self.part.release()
        return self.out


def run(pipeline, make, stream, lateness, data):
    """Return what comes out of a stream, cut here and there."""
    life = Life(pipeline, make, lateness)
    for event in stream:
        for step in data.draw(st.lists(st.sampled_from(["tick", "keep", "crash"]), max_size=2)):
            if step == "tick":
                life.tick()
            else:
                life.checkpoint(crash=step == "crash")
        life.feed(event)
    return life.release()


LATENESS = 5
"""No event is further behind the newest one than this."""


def placed(drawn, lateness=LATENESS):
    """Return events whose times go on by steps; `back` puts one back, but not late."""
    latest, found = 100, []
    for number, (step, back, event) in enumerate(drawn):
        latest += step
        found.append({"id": number, "at": latest - min(back, lateness), **event})
        latest = max(latest, found[-1]["at"])
    return found


def streams(events, lateness=LATENESS):
    steps = st.tuples(st.integers(0, 6) | st.just(40), st.integers(0, lateness), events)
    # Left to itself, hypothesis draws few long ones.
    sizes = st.sampled_from([0, 20])
    lists = sizes.flatmap(lambda size: st.lists(steps, min_size=size, max_size=30))
    return lists.map(lambda drawn: placed(drawn, lateness))


keys = st.sampled_from(["a", "b", "c"])
plain = st.fixed_dictionaries({"key": keys})
times = {"key": ["key"]}


def by_key(events):
    found = defaultdict(list)
    for event in events:
        found[event["key"]].append(event)
    return found
