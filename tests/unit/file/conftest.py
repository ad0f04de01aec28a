"""Pipelines around file sources and sinks, run by the real engine."""

from __future__ import annotations

import functools

import pytest

from bspump.testing import Harness, MemorySink
from bspump.trigger import OpportunisticTrigger


class ContextSink(MemorySink):
    """Keeps contexts with their events."""

    def process(self, context, event):
        super().process(context, (context, event))

    def process_batch(self, contexts, events):
        for context, event in zip(contexts or [{} for _ in events], events, strict=True):
            self.process(context, event)


@pytest.fixture
async def harness():
    async with Harness() as harness:
        yield harness


@pytest.fixture
def run_source(harness):
    """Return a function that runs a triggered source and returns what it has found."""

    def run(cls, *args, config, sink=MemorySink, pipeline=None):
        def make(app, pipeline):
            source = cls(app, pipeline, *args, config=config)
            return source.on(OpportunisticTrigger(app, chilldown_period=0))

        return harness.chain(
            functools.partial(make), functools.partial(sink, id="Out"), config=pipeline
        )

    return run
