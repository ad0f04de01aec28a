"""What is peculiar to the source: acknowledgement, redelivery, dead letters, bounds."""

from __future__ import annotations

import functools

import pytest

from bspump.abc.errors import ConfigError
from bspump.amqp import AMQPFullMessageSource, AMQPSource
from bspump.testing import eventually
from bspump.testing.contracts.base import bare
from bspump.testing.harness import Harness

pytestmark = pytest.mark.integration


def bodies(count, first=0):
    return [b"%d" % number for number in range(first, first + count)]


async def read(source, position, count):
    """Read so many events once they are all there; return the chunks."""
    await eventually(lambda: len(source._consumer.waiting(count)) == count)
    chunks = []
    while sum(len(chunk.events) for chunk in chunks) < count:
        chunk = await source.read(position)
        position = chunk.position
        chunks.append(chunk)
    return [chunk for chunk in chunks if chunk.events]


async def test_a_message_comes_with_all_that_the_broker_says_of_it(broker):
    await broker.declare()
    await broker.publish([b"hello"], message_id="m1", headers={"a": 1}, content_type="text/x")
    contexts = []

    def note(context, event):
        contexts.append(context)
        return event

    async with Harness() as harness:
        harness.chain(functools.partial(broker.source(AMQPSource, codec="text")), note)
        await eventually(lambda: harness.out() == ["hello"])
    (context,) = contexts
    method, properties = context["amqp:method"], context["amqp:properties"]
    assert (method.routing_key, method.exchange, method.delivery_tag) == (broker.queue, "", 1)
    assert (properties.message_id, properties.content_type) == ("m1", "text/x")
    assert properties.headers == {"a": 1}
    assert context["amqp:redelivered"] is False
    assert (context["amqp:delivery_count"], context["amqp:death_count"]) == (0, 0)


async def test_whole_messages_are_tuples(broker):
    await broker.declare()
    await broker.publish([b"hello"], message_id="m1")
    async with Harness() as harness:
        harness.chain(functools.partial(broker.source(AMQPFullMessageSource, codec="raw")))
        await eventually(harness.out)
        ((method, properties, body),) = harness.out()
    assert (method.delivery_tag, properties.message_id, body) == (1, "m1", b"hello")


async def test_what_was_acknowledged_is_gone_and_the_rest_goes_back(broker):
    await broker.declare()
    await broker.publish(bodies(30))
    config = {"codec": "raw", "chunk_events": 10}
    async with bare(broker.source(AMQPSource, **config)) as source:
        await source.connect()
        first, second, third = await read(source, None, 30)
        # Late, out of order, and again: none of it skips anything or ends the channel.
        for position in (second.position, first.position, second.position):
            await source.acknowledge(position)
        assert third.position["tag"] == 30
        await source.close()
    await eventually(functools.partial(has_count, broker, 10))
    assert [message.body for message in await broker.take()] == bodies(10, first=20)


async def has_count(broker, count, queue=None):
    return await broker.count(queue) in (count if isinstance(count, range) else [count])


async def test_a_position_of_another_connection_acknowledges_nothing(broker):
    await broker.declare()
    await broker.publish(bodies(10))
    async with bare(broker.source(AMQPSource, codec="raw")) as source:
        await source.connect()
        (chunk,) = await read(source, None, 10)
        await source.close()
        await source.connect()
        (again,) = await read(source, chunk.position, 10)
        assert all(context["amqp:redelivered"] for context in again.contexts)
        await source.acknowledge(chunk.position)
        await source.close()
        await eventually(functools.partial(has_count, broker, 10))
        await source.connect()
        (again,) = await read(source, chunk.position, 10)
        await source.acknowledge(again.position)
        await source.close()
    assert await broker.count() == 0


async def test_redeliveries_are_counted(broker):
    await broker.declare(**{"x-queue-type": "quorum"})
    await broker.publish(bodies(1))
    seen = []
    async with bare(broker.source(AMQPSource, codec="raw")) as source:
        for _ in range(3):
            await source.connect()
            (chunk,) = await read(source, None, 1)
            seen.append((chunk.contexts[0]["amqp:redelivered"], count_of(chunk)))
            await source.close()
        assert source.Counter.values["message.redelivered"] == 2
    assert seen == [(False, 0), (True, 1), (True, 2)]


def count_of(chunk):
    return chunk.contexts[0]["amqp:delivery_count"]


async def test_what_the_codec_refuses_is_dead_lettered_by_the_broker(broker):
    dead = await broker.declare(f"{broker.queue}-dead")
    await broker.publish([b'{"a": 1}', b"{oops", b'{"a": 2}', b"{again"], queue=dead)
    await broker.take(dead)
    config = {
        "topology.declare": "yes",
        "topology.dead_letter_exchange": "amq.direct",
        "topology.dead_letter_routing_key": dead,
        "topology.exchange": "amq.topic",
        "topology.routing_keys": "events.#",
    }
    async with Harness() as harness:
        pipeline = harness.chain(functools.partial(broker.source(AMQPSource, **config)))
        await eventually(lambda: broker.in_app(harness.app).rest_get()["connections"])
        await eventually(broker.has_queue)
        await broker.publish([b'{"a": 1}', b"{oops", b'{"a": 2}', b"{again"])
        await eventually(lambda: harness.out() == [{"a": 1}, {"a": 2}])
        await eventually(lambda: len(harness.errors) == 2)
        assert not pipeline.has_error()
    assert await broker.count() == 0
    await eventually(functools.partial(has_count, broker, 2, dead))
    async with Harness() as harness:
        contexts = []

        def note(context, event):
            contexts.append(context)
            return event

        source = broker.make(AMQPSource, queue=dead, codec="raw")
        harness.chain(functools.partial(source), note)
        await eventually(lambda: harness.out() == [b"{oops", b"{again"])
        assert [context["amqp:death_count"] for context in contexts] == [1, 1]
    await broker.channel.queue_delete(dead)


async def test_what_the_codec_refuses_goes_to_the_error_exchange(broker):
    await broker.declare()
    await broker.channel.exchange_declare("errors", exchange_type="fanout")
    errors = await broker.declare(f"{broker.queue}-errors")
    await broker.channel.queue_bind(errors, "errors")
    sent = {"message_id": "m1", "user_id": "guest", "expiration": "60000"}
    await broker.publish([b"{oops", b'{"a": 1}'], **sent)
    async with Harness() as harness:
        source = broker.source(AMQPSource, error_exchange="errors")
        harness.chain(functools.partial(source))
        await eventually(lambda: harness.out() == [{"a": 1}])
    (message,) = await broker.take(errors)
    properties = message.header.properties
    assert (message.body, properties.message_id, properties.delivery_mode) == (b"{oops", "m1", 2)
    assert "json: expected" in properties.headers["x-error"]
    assert properties.expiration is None
    assert await broker.count() == 0
    await broker.channel.queue_delete(errors)
    await broker.channel.exchange_delete("errors")


async def test_an_error_exchange_without_a_queue_loses_nothing(broker):
    await broker.declare()
    await broker.publish([b"{oops"])
    async with Harness() as harness:
        source = broker.source(AMQPSource, error_exchange="amq.fanout")
        pipeline = harness.chain(functools.partial(source))
        await eventually(pipeline.has_error)
        assert isinstance(harness.errors[-1].error, ConfigError)
    await eventually(functools.partial(has_count, broker, 1))


async def test_no_more_is_taken_than_the_prefetch_allows(broker):
    await broker.declare()
    await broker.publish(bodies(100))
    async with Harness() as harness:
        source = broker.source(AMQPSource, codec="raw", prefetch_count=10)
        pipeline = harness.chain(functools.partial(source))
        await eventually(lambda: len(harness.out()) == 100)
        pipeline.throttle("full")
        await broker.publish(bodies(100, first=100))
        # Half of the prefetch may have been passed on before, and is not acknowledged yet.
        await eventually(functools.partial(has_count, broker, range(90, 96)))
        pipeline.throttle("full", False)
        await eventually(lambda: harness.out() == bodies(200))


async def test_fifty_thousand_messages_come_through_in_order(broker):
    await broker.declare()
    await broker.publish(bodies(50_000))
    async with Harness() as harness:
        harness.chain(functools.partial(broker.source(AMQPSource, codec="raw")))
        await eventually(lambda: len(harness.out()) >= 50_000, 60)
        assert harness.out() == bodies(50_000)
    assert await broker.count() == 0
