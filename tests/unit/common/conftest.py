from __future__ import annotations

import pytest

import bspump
from bspump.common import InternalSource, ListSink
from bspump.testing import Harness, run_virtual


def _through(*parts, events, contexts=None):
    async def main():
        async with Harness() as harness:
            harness.chain(*parts, config={"on_error": "skip"})
            harness.send(events, contexts=contexts)
            await harness.settle()
            return harness.out(), [failure.error for failure in harness.errors]

    return run_virtual(main())


@pytest.fixture
def through():
    """Return a function that runs events through parts: what came out, and what failed."""
    return _through


def _receiver(harness, id="B", source=InternalSource, *parts, **config):
    app = harness.app
    pipeline = bspump.Pipeline(app, id)
    sink = ListSink(app, pipeline)
    pipeline.build(source(app, pipeline, config=config), *parts, sink)
    harness.pipeline(pipeline)
    return pipeline, sink


def _sender(harness, source, *parts, id="A", config=None):
    app = harness.app
    pipeline = bspump.Pipeline(app, id, config)
    parts = [part(app, pipeline) if isinstance(part, type) else part for part in parts]
    pipeline.build(source(app, pipeline), *parts)
    harness.pipeline(pipeline)
    return pipeline


@pytest.fixture
def receiver():
    """Return a function that adds a pipeline with a linked source: the pipeline and its sink."""
    return _receiver


@pytest.fixture
def sender():
    """Return a function that adds a pipeline of a source and parts."""
    return _sender
