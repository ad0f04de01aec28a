"""Streams for joins: out of order within a lateness, cut and restored, with their contexts."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

from bspump.abc.event_time import BEGIN_MS, EVENT_TIME, WATERMARK
from bspump.abc.state import PartState
from bspump.state.plain import decode, encode
from bspump.testing import Harness


class Store:
    """Keeps snapshots as a checkpoint does, as bytes."""

    def __init__(self):
        self.version, self.value, self.keyed = 1, None, {}

    def keep(self, part):
        snapshot = part.snapshot()
        if snapshot is None:
            return
        self.version = snapshot.version
        self.value = encode(snapshot.value, of="a test")
        for key in snapshot.removed:
            self.keyed.pop(encode(key, of="a test"), None)
        for key, value in snapshot.changed.items():
            self.keyed[encode(key, of="a test")] = encode(value, of="a test")

    def bring_back(self, part):
        if self.value is None:
            return part
        # Whatever the order is in which the keys were new, they come back in another one.
        keyed = {decode(key): decode(value) for key, value in sorted(self.keyed.items())}
        part.restore(PartState(version=self.version, value=decode(self.value), keyed=keyed))
        return part


class Bench:
    """Makes joins of a pipeline that does not run, and notes what they hand on."""

    def __init__(self, pipeline):
        self.pipeline = pipeline
        pipeline.is_durable = lambda: True
        pipeline.is_ready = lambda: True

    def make(self, kind, /, **arguments):
        part = kind(self.pipeline.App, self.pipeline, **arguments)
        for counter in (part._counter, part._late._counter):
            self.pipeline.App.MetricsService.remove(counter)
        part.found = []
        part.hand_on = lambda event, at_ms, before_ms: part.found.append((event, at_ms, before_ms))
        return part


@contextmanager
def benches():
    """Return a `Bench`, outside of any loop that runs."""

    async def enter():
        return Harness().chain(lambda context, event: event)

    loop = asyncio.new_event_loop()
    yield Bench(loop.run_until_complete(enter()))
    loop.close()


def arriving(events, lateness_ms):
    """Return events in the order of their delays, each with the context it has by then."""
    arrived = sorted(events, key=lambda event: event["at"] + event["delay"] % (lateness_ms + 1))
    newest_ms, found = BEGIN_MS, []
    for event in arrived:
        newest_ms = max(newest_ms, event["at"])
        found.append((context_of(event["at"], newest_ms - lateness_ms), event))
    return found


def context_of(at_ms, watermark_ms):
    return {EVENT_TIME: at_ms, WATERMARK: watermark_ms}


def run(bench, make, stream, *, cuts=(), ticks=frozenset(), is_ended=True):
    """Return what comes out, cut and restored at `cuts`, told the time after those at `ticks`.

    What comes out is an event, its time and its watermark; of a tick there is the watermark alone.
    """
    part, store, found = make(), Store(), []
    for index, (context, event) in enumerate(stream):
        if index in cuts:
            store.keep(part)
            found += part.found
            part = store.bring_back(make())
        assert part.generate(dict(context), dict(event), 1) == []
        if index in ticks:
            part.advance(context[WATERMARK], 0)
            part.found.append((None, None, part.watermark_ms()))
            store.keep(part)
    if is_ended:
        part.release()
    return found + part.found


def behind(found):
    """Return what comes out, each with its time, and whether it is late behind the join."""
    watermark_ms, seen = BEGIN_MS, []
    for event, at_ms, before_ms in found:
        watermark_ms = max(watermark_ms, before_ms)
        if event is not None:
            seen.append((event, at_ms, at_ms < watermark_ms))
    return seen


def check_none_is_late(found):
    assert [event for event, _, is_late in behind(found) if is_late] == []
