"""Whatever fails, wherever and however often: order is kept, and every event is somewhere."""

from __future__ import annotations

import asyncio
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

import bspump
from bspump.state import MemoryStateStore
from bspump.testing import Harness, MemoryBatchSink, MemorySource, virtual_time


class Flaky(bspump.Processor):
    """Fails at each event as often as the table says."""

    def __init__(self, app, pipeline, id, fails):
        super().__init__(app, pipeline, id)
        self._fails = dict(fails)

    def process(self, context, event):
        if self._fails.get(event, 0) > 0:
            self._fails[event] -= 1
            raise ValueError(event)
        return event


class FlakyLists(Flaky):
    def process_batch(self, contexts, events):
        if any(self._fails.get(event, 0) for event in events):
            raise ValueError("one by one, please")
        return list(events)


class Twice(bspump.Generator):
    def __init__(self, app, pipeline, id, fails):
        super().__init__(app, pipeline, id)

    def generate(self, context, event, depth):
        return [event, (event, "again")]


class TwiceLazily(Twice):
    def generate(self, context, event, depth):
        yield event
        yield (event, "again")


class Soon(bspump.AsyncProcessor):
    def __init__(self, app, pipeline, id, fails):
        super().__init__(app, pipeline, id)

    async def process(self, context, event):
        await asyncio.sleep(0.01 * (hash(event) % 3))
        return event


class Throttle(bspump.Processor):
    """Throttles the pipeline at every seventh event, and lifts it soon after."""

    def __init__(self, app, pipeline, id, fails):
        super().__init__(app, pipeline, id)
        self._seen = 0

    def process(self, context, event):
        self._seen += 1
        if self._seen % 7 == 0:
            self.Pipeline.throttle(self)
            self.Loop.call_later(0.05, self.Pipeline.throttle, self, False)
        return event


KINDS = [Flaky, FlakyLists, Twice, TwiceLazily, Soon, Throttle]
stages = st.lists(st.sampled_from(KINDS), min_size=1, max_size=5).filter(
    lambda kinds: sum(issubclass(kind, Twice) for kind in kinds) <= 2
)
failures = st.lists(st.dictionaries(st.integers(0, 40), st.integers(1, 4)), min_size=5, max_size=5)


def expected(kinds, fails, attempts, count):
    """Return what arrives and what is set aside, as (part, event, attempts)."""
    events, aside = list(range(count)), []
    for number, kind in enumerate(kinds):
        if issubclass(kind, Twice):
            events = [made for event in events for made in (event, (event, "again"))]
        elif issubclass(kind, Flaky):
            gone = [e for e in events if fails[number].get(e, 0) >= attempts]
            aside += [(str(number), event, attempts) for event in gone]
            events = [event for event in events if event not in gone]
    return events, aside


@settings(deadline=None, max_examples=150)
@given(
    kinds=stages,
    fails=failures,
    attempts=st.integers(1, 4),
    count=st.integers(1, 40),
    chunk_size=st.integers(1, 40),
    policy=st.sampled_from(["skip", "dead_letter"]),
    sink=st.sampled_from([None, MemoryBatchSink]),
)
@virtual_time
async def test_policies_keep_the_order_and_lose_nothing(
    kinds, fails, attempts, count, chunk_size, policy, sink
):
    store = MemoryStateStore()
    config = {
        "on_error": policy,
        "error_retry.attempts": attempts,
        "error_retry.first": 0.2,
        "profile_every": 3,
    }
    async with Harness(store=store) as harness:
        source = partial(MemorySource, events=list(range(count)), id="In", chunk_size=chunk_size)
        parts = [partial(kind, id=str(n), fails=fails[n]) for n, kind in enumerate(kinds)]
        ends = [] if sink is None else [partial(sink, id="Out", config={"batch.max_events": 5})]
        harness.chain(source, *parts, *ends, config=config)
        await harness.finish()
        arrived, counts = harness.out(), harness.counts()
        assert harness.errors is not None
    events, aside = expected(kinds, fails, attempts, count)
    assert arrived == events
    assert counts["event.fail"] == len(aside)
    if policy == "dead_letter":
        found = await store.dead_letters.find(limit=10_000)
        letters = await store.dead_letters.read([each.id for each in found])
        key = str
        assert sorted(((x.part, x.event, x.attempts) for x in letters), key=key) == sorted(
            aside, key=key
        )
