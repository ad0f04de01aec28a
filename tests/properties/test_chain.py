"""Whatever a pipeline is made of and however events come in, what comes out is the same."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bspump


class Add(bspump.Processor):
    def process(self, context, event):
        context["seen"] = context.get("seen", 0) + 1
        return event + 1


class AddToLists(Add):
    def process(self, context, event):
        return event + 1

    def process_batch(self, contexts, events):
        return [event + 1 for event in events]


class DropThirds(bspump.Processor):
    def process(self, context, event):
        return None if event % 3 == 0 else event


class DropThirdsOfLists(DropThirds):
    def process_batch(self, contexts, events):
        return [None if event % 3 == 0 else event for event in events]


class FailAtSevenths(bspump.Processor):
    def process(self, context, event):
        if event % 7 == 0:
            raise ValueError(event)
        return event


class FailAtSeventhsOfLists(FailAtSevenths):
    def process_batch(self, contexts, events):
        return [self.process({}, event) for event in events]


class TwiceAsList(bspump.Generator):
    def generate(self, context, event, depth):
        return [event, event + 1]


class TwiceLazily(bspump.Generator):
    def generate(self, context, event, depth):
        yield event
        yield event + 1


class TwiceInCoroutine(bspump.Generator):
    async def generate(self, context, event, depth):
        self.Pipeline.inject(context, event, depth)
        self.Pipeline.inject(context, event + 1, depth)


class TwiceSoon(bspump.Generator):
    async def generate(self, context, event, depth):
        self.Pipeline.inject(context, event, depth)
        if event % 2:
            await asyncio.sleep(0)
        self.Pipeline.inject(context, event + 1, depth)


class AddSoon(bspump.AsyncProcessor):
    async def process(self, context, event):
        for _ in range(event % 3):
            await asyncio.sleep(0)
        return event + 1


class ThrottleSometimes(bspump.Processor):
    """Throttles the pipeline at every thirteenth event, and lifts it soon after."""

    def __init__(self, app, pipeline):
        super().__init__(app, pipeline)
        self._seen = 0

    def process(self, context, event):
        self._seen += 1
        if self._seen % 13 == 0:
            self.Pipeline.throttle(self)
            self.Loop.call_later(0, self.Pipeline.throttle, self, False)
        return event


class Collect(bspump.Sink):
    def __init__(self, app, pipeline):
        super().__init__(app, pipeline)
        self.Events = []

    def process(self, context, event):
        self.Events.append(event)


class CollectLists(Collect):
    def process_batch(self, contexts, events):
        self.Events.extend(events)


class Feed(bspump.Source):
    async def main(self):
        await self.stopped()


class Soft(bspump.Pipeline):
    def handle_error(self, exception, context, event):
        return True


def expected(kinds, events):
    """Return what comes out, computed the simple way."""
    for kind in kinds:
        name = kind.__name__
        if name.startswith("Add"):
            events = [event + 1 for event in events]
        elif name.startswith("Drop"):
            events = [event for event in events if event % 3]
        elif name.startswith("Fail"):
            events = [event for event in events if event % 7]
        elif name.startswith("Twice"):
            events = [made for event in events for made in (event, event + 1)]
    return events


KINDS = [
    Add,
    AddToLists,
    DropThirds,
    DropThirdsOfLists,
    FailAtSevenths,
    FailAtSeventhsOfLists,
    TwiceAsList,
    TwiceLazily,
    TwiceInCoroutine,
    TwiceSoon,
    AddSoon,
    ThrottleSometimes,
]


# Each example is an application of its own, which takes a while on a machine that is busy.
@pytest.mark.timeout(300)
@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(KINDS), max_size=6),
    st.sampled_from([Collect, CollectLists]),
    st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=150), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from([1, 2, 64]),
)
def test_what_comes_out_does_not_depend_on_how_it_went_in(kinds, sink, lists, singly, every):
    async def run():
        app = bspump.BSPumpApplication(args=[])
        pipeline = Soft(app, "Tested", {"profile_every": every})
        parts = [kind(app, pipeline) for kind in kinds]
        for n, part in enumerate(parts):
            part.Id = f"{part.Id}{n}"
        pipeline.build(Feed(app, pipeline), *parts, sink(app, pipeline))
        app.PumpService.add_pipeline(pipeline)
        async with app.running():
            for events in lists:
                if singly:
                    for event in events:
                        await pipeline.process(event)
                else:
                    await pipeline.process_many(events)
            await pipeline.settle()
            app.MetricsService.collect()
            return list(pipeline.iter_processors())[-1].Events, pipeline.MetricsCounter.values

    async def in_time():
        async with asyncio.timeout(30):
            return await run()

    found, counts = asyncio.run(in_time())
    wanted = expected(kinds, [event for events in lists for event in events])
    if TwiceSoon in kinds:
        assert Counter(found) == Counter(wanted)
    else:
        assert found == wanted
    assert counts["event.in"] == sum(map(len, lists))
    assert counts["event.out"] == len(wanted)
    if not any(kind.__name__.startswith("Twice") for kind in kinds):
        total = counts["event.out"] + counts["event.drop"] + counts["event.fail"]
        assert total == counts["event.in"]
