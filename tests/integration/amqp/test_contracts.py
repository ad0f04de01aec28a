"""The sources and the sink keep their contracts at a real broker."""

from __future__ import annotations

import json

import pytest

from bspump.amqp import AMQPFullMessageSource, AMQPSink, AMQPSource
from bspump.testing.contracts import SinkContract, SinkTarget, SourceContract, SourceTarget

pytestmark = pytest.mark.integration

POISON = object()


class TestSource(SourceContract):
    @pytest.fixture
    async def target(self, broker):
        await broker.declare()
        return SourceTarget(
            make=broker.source(AMQPSource),
            write=broker.write,
            disconnect=lambda _: broker.proxy.cut(),
        )


class TestSourceOfAQuorumQueue(SourceContract):
    @pytest.fixture
    async def target(self, broker):
        await broker.declare(**{"x-queue-type": "quorum"})
        return SourceTarget(
            make=broker.source(AMQPSource, prefetch_count=100),
            write=broker.write,
            disconnect=lambda _: broker.proxy.cut(),
        )


class BodySource(AMQPFullMessageSource):
    """Emits the bodies alone: the kit knows what it has written."""

    def event(self, message):
        _, _, body = super().event(message)
        return body


class TestFullMessageSource(SourceContract):
    @pytest.fixture
    async def target(self, broker):
        await broker.declare()
        return SourceTarget(
            make=broker.source(BodySource, chunk_events=7),
            write=broker.write,
            disconnect=lambda _: broker.proxy.cut(),
        )


class TestSink(SinkContract):
    @pytest.fixture
    async def target(self, broker):
        await broker.declare()
        return SinkTarget(
            make=broker.sink(AMQPSink),
            stored=broker.stored,
            poison=POISON,
            disconnect=lambda _: broker.proxy.cut(),
        )


class TestSinkOfTexts(SinkContract):
    @pytest.fixture
    async def target(self, broker):
        await broker.declare()
        return SinkTarget(
            make=broker.sink(AMQPSink, exchange="", persistent="no"),
            event=lambda number, text: json.dumps([number, text]),
            stored=lambda: _texts(broker),
            poison="a lone surrogate: \ud800",
            disconnect=lambda _: broker.proxy.cut(),
        )


async def _texts(broker):
    return [json.dumps(event) for event in await broker.stored()]
