"""A pipeline cannot tell copies of one context from a list of such copies."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bspump
from bspump.abc.contexts import Copies


class Mark(bspump.Processor):
    """Writes into the context of its event."""

    def process(self, context, event):
        context.setdefault("marks", []).append(event)
        return event


class MarkByIndex(Mark):
    """Writes into the contexts of a list, one by one."""

    def process_batch(self, contexts, events):
        return [self.process(contexts[i], event) for i, event in enumerate(events)]


class MarkBySlice(Mark):
    """Writes into the contexts of half of a list, and fails at some, having done nothing."""

    def process_batch(self, contexts, events):
        if 7 in events:
            raise ValueError(events)
        for context, event in zip(contexts[::2], events[::2], strict=True):
            self.process(context, event)
        for context, event in zip(contexts[1::2], events[1::2], strict=True):
            self.process(context, event)
        return events


class LookAway(bspump.Processor):
    """Takes lists and does not look at their contexts; drops what is a multiple of three."""

    def process(self, context, event):
        return event if event % 3 else None

    def process_batch(self, contexts, events):
        return [self.process({}, event) for event in events]


class Twice(bspump.Generator):
    def generate(self, context, event, depth):
        return [event, event + 1]


class Soon(bspump.AsyncProcessor):
    async def process(self, context, event):
        await asyncio.sleep(0)
        return event


class ThrottleSometimes(bspump.Processor):
    seen = 0

    def process(self, context, event):
        self.seen += 1
        if self.seen % 13 == 0:
            self.Pipeline.throttle(self)
            self.Loop.call_later(0, self.Pipeline.throttle, self, False)
        return event


class Collect(bspump.Sink):
    found: list

    def process(self, context, event):
        marks = tuple(context.get("marks", ()))
        self.found.append((event, context["peer"], context.get("own"), marks))
        context["own"] = event


class CollectLists(Collect):
    def process_batch(self, contexts, events):
        for context, event in zip(contexts, events, strict=True):
            self.process(context, event)


class Feed(bspump.Source):
    async def main(self):
        await self.stopped()


async def run(kinds, sink_kind, lists, every, *, as_copies):
    app = bspump.BSPumpApplication(args=[])
    pipeline = bspump.Pipeline(app, "Tested", {"profile_every": every})
    parts = [kind(app, pipeline) for kind in kinds]
    for n, part in enumerate(parts):
        part.Id = f"{part.Id}{n}"
    sink = sink_kind(app, pipeline)
    sink.found = []
    pipeline.build(Feed(app, pipeline), *parts, sink)
    app.PumpService.add_pipeline(pipeline)
    async with asyncio.timeout(30), app.running():
        for n, events in enumerate(lists):
            context = {"peer": n}
            contexts = (
                Copies(context, len(events)) if as_copies else [context.copy() for _ in events]
            )
            await pipeline.process_many(events, contexts)
        await pipeline.settle()
    return sink.found


@pytest.mark.timeout(300)
@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from([Mark, MarkByIndex, MarkBySlice, LookAway, Twice, Soon, ThrottleSometimes]),
        max_size=5,
    ),
    st.sampled_from([Collect, CollectLists]),
    st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=100), min_size=1, max_size=3),
    st.sampled_from([1, 2, 64]),
)
def test_copies_of_a_context_do_what_a_list_of_contexts_does(kinds, sink, lists, every):
    wanted = asyncio.run(run(kinds, sink, lists, every, as_copies=False))
    assert asyncio.run(run(kinds, sink, lists, every, as_copies=True)) == wanted
