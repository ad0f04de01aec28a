"""The doubles of the test kit keep the contracts of what they stand for."""

from __future__ import annotations

import functools

import pytest

from bspump.testing import (
    MemoryAsyncLookup,
    MemoryBatchSink,
    MemoryLookup,
    MemorySink,
    MemorySource,
    MemoryUpsertSink,
)
from bspump.testing.contracts import (
    LookupContract,
    LookupTarget,
    SinkContract,
    SinkTarget,
    SourceContract,
    SourceTarget,
)

POISON = {"number": -1, "text": "poison"}


class TestMemorySource(SourceContract):
    @pytest.fixture
    def target(self):
        events = []
        return SourceTarget(
            make=functools.partial(MemorySource, events=events, chunk_size=7),
            write=events.extend,
            disconnect=MemorySource.disconnect,
        )


class EndlessSource(MemorySource):
    """Claims no end."""

    Capabilities = MemorySource.Capabilities & ~MemorySource.Capabilities.END


class TestEndlessMemorySource(SourceContract):
    @pytest.fixture
    def target(self):
        events, sources = [], []

        def make(app, pipeline):
            sources.append(EndlessSource(app, pipeline, events, is_endless=True))
            return sources[-1]

        def write(more):
            events.extend(more)
            for source in sources:
                source.send([])

        return SourceTarget(make=make, write=write, disconnect=MemorySource.disconnect)


class TestMemorySink(SinkContract):
    @pytest.fixture
    def target(self):
        events = []
        return SinkTarget(make=functools.partial(MemorySink, events=events), stored=lambda: events)


class TestMemoryBatchSink(SinkContract):
    @pytest.fixture
    def target(self):
        events = []
        return SinkTarget(
            make=functools.partial(MemoryBatchSink, events=events, rejects=POISON.__eq__),
            stored=lambda: events,
            poison=POISON,
            disconnect=MemoryBatchSink.disconnect,
        )


class TestMemoryUpsertSink(SinkContract):
    @pytest.fixture
    def target(self):
        events = []
        return SinkTarget(
            make=functools.partial(
                MemoryUpsertSink,
                key=lambda event: event["number"],
                events=events,
                rejects=POISON.__eq__,
            ),
            stored=lambda: events,
            poison=POISON,
            disconnect=MemoryUpsertSink.disconnect,
        )


class TestMemoryLookup(LookupContract):
    @pytest.fixture
    def target(self):
        return LookupTarget(
            make=lambda app: MemoryLookup(app, {"a": 1, "b": None, "ü": [1, 2]}),
            content={"a": 1, "b": None, "ü": [1, 2]},
            other=(b'{"b": 2, "c": 3}', {"b": 2, "c": 3}),
            broken=[b"", b"{", b"[1]", b"\xff"],
        )


class TestMemoryAsyncLookup(LookupContract):
    @pytest.fixture
    def target(self):
        return LookupTarget(
            make=lambda app: MemoryAsyncLookup(app, {"a": 1, "b": 2}), content={"a": 1, "b": 2}
        )
