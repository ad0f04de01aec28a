"""What is peculiar to the sink: confirmations, addresses, properties, refusals."""

from __future__ import annotations

import asyncio
import functools

import pytest

from bspump.abc.errors import NotConnectedError, PartialWriteError, RejectedError
from bspump.abc.sink import Batch
from bspump.amqp import AMQPSink
from bspump.testing import eventually
from bspump.testing.contracts.base import bare
from bspump.testing.harness import Harness

pytestmark = pytest.mark.integration


async def bodies(broker, queue=None):
    return [message.body for message in await broker.take(queue)]


async def write(sink, events, *contexts):
    """Write events with contexts; return the errors by index."""
    given = [*contexts, *({} for _ in events[len(contexts) :])]
    try:
        await sink.write(Batch(events, given))
    except PartialWriteError as error:
        return error.errors
    return {}


async def test_bytes_and_texts_stay_as_they_are_and_the_rest_becomes_json(broker):
    await broker.declare()
    async with bare(broker.sink(AMQPSink)) as sink:
        await sink.connect()
        assert await write(sink, [b"\x00\xff", "žluť", {"a": 1}, bytearray(b"b")]) == {}
        await sink.close()
    assert await bodies(broker) == [b"\x00\xff", "žluť".encode(), b'{"a":1}', b"b"]


async def test_messages_are_persistent_and_have_the_properties_of_the_context(broker):
    await broker.declare()
    properties = {"headers": {"n": 1, "s": "x"}, "message_id": "m1", "priority": 3}
    async with bare(broker.sink(AMQPSink, content_type="text/x")) as sink:
        await sink.connect()
        assert await write(sink, ["a", "b"], {"amqp.properties": properties}) == {}
        await sink.close()
    first, second = [message.header.properties for message in await broker.take()]
    assert (first.headers, first.message_id, first.priority) == ({"n": 1, "s": "x"}, "m1", 3)
    assert (first.delivery_mode, first.content_type) == (2, "text/x")
    assert second.message_id is not None


async def test_the_context_chooses_exchange_and_routing_key(broker):
    await broker.declare()
    context = {"amqp.exchange": "amq.direct", "amqp.routing_key": broker.queue}
    async with bare(broker.make(AMQPSink, exchange="!context", routing_key="x")) as sink:
        await sink.connect()
        errors = await write(sink, ["a", "none", "b"], context, {}, context)
        await sink.close()
    assert list(errors) == [1]
    assert "'amqp.exchange'" in str(errors[1])
    assert await bodies(broker) == [b"a", b"b"]


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ({"amqp.routing_key": "nobody"}, "NO_ROUTE"),
        ({"amqp.exchange": "no-such"}, "there is no exchange 'no-such'"),
        ({"amqp.exchange": "x" * 300}, "there is no exchange"),
        ({"amqp.routing_key": "x" * 300}, "too long"),
        ({"amqp.routing_key": "ž" * 200}, "127.0.0.1"),
        ({"amqp.properties": {"no_such": 1}}, "no_such"),
        ({"amqp.properties": {"priority": "high"}}, "amqp.properties"),
        ({"amqp.properties": {"headers": {"x": object()}}}, "amqp.properties"),
        ({"amqp.properties": {"message_id": 7}}, "amqp.properties"),
        ({"amqp.properties": "text"}, "amqp.properties"),
    ],
)
async def test_what_nobody_will_ever_take_spares_its_neighbours(broker, context, reason):
    await broker.declare()
    async with bare(broker.sink(AMQPSink)) as sink:
        await sink.connect()
        errors = await write(sink, ["a", "bad", "b"], {}, context)
        assert list(errors) == [1]
        assert isinstance(errors[1], RejectedError)
        assert reason in str(errors[1])
        assert await write(sink, ["c"]) == {}
        await sink.close()
    assert await bodies(broker) == [b"a", b"b", b"c"]


async def test_messages_without_a_queue_are_dropped_if_that_is_wished(broker):
    await broker.declare()
    async with bare(broker.make(AMQPSink, routing_key="nobody", mandatory="no")) as sink:
        await sink.connect()
        assert await write(sink, ["a"]) == {}
        await sink.close()


async def test_messages_of_one_id_are_told_apart_when_they_come_back(broker):
    await broker.declare()
    properties = {"amqp.properties": {"message_id": "same"}}
    nowhere = {**properties, "amqp.routing_key": "nobody"}
    async with bare(broker.sink(AMQPSink)) as sink:
        await sink.connect()
        errors = await write(sink, ["a", "bad", "b"], properties, nowhere, properties)
        await sink.close()
    assert list(errors) == [1]
    assert await bodies(broker) == [b"a", b"b"]


async def test_an_exchange_is_declared_if_that_is_wished(broker):
    await broker.declare()
    options = {"exchange": "made", "topology.declare": "yes", "topology.type": "topic"}
    async with bare(broker.sink(AMQPSink, **options)) as sink:
        await sink.connect()
        await broker.channel.queue_bind(broker.queue, "made", "#")
        assert await write(sink, ["a"]) == {}
        # Gone in the middle: it is declared again, and what was not taken is written again.
        await broker.channel.exchange_delete("made")
        with pytest.raises(NotConnectedError, match="no exchange 'made'"):
            await write(sink, ["b"])
        await sink.close()
        await sink.connect()
        await broker.channel.queue_bind(broker.queue, "made", "#")
        assert await write(sink, ["b"]) == {}
        await sink.close()
    await broker.channel.exchange_delete("made")
    assert await bodies(broker) == [b"a", b"b"]


async def test_a_message_that_is_too_large_spares_its_neighbours(broker):
    await broker.declare()
    limit = "application:set_env(rabbit, max_message_size, {})."
    await asyncio.to_thread(broker.server.ctl, "eval", limit.format(5000))
    try:
        async with Harness() as harness:
            sink = functools.partial(broker.sink(AMQPSink))
            pipeline = harness.chain(sink, config={"on_error": "skip"})
            harness.send(["a", "x" * 6000, "b", "y" * 7000, "c"])
            await eventually(lambda: len(harness.errors) == 2, 20)
            await harness.settle()
            assert not pipeline.has_error()
            assert {failure.event[:1] for failure in harness.errors} == {"x", "y"}
    finally:
        await asyncio.to_thread(broker.server.ctl, "eval", limit.format(134217728))
    assert sorted(set(await bodies(broker))) == [b"a", b"b", b"c"]


async def test_a_property_that_only_the_broker_can_judge_spares_its_neighbours(broker):
    await broker.declare()
    contexts = [{} for _ in range(9)]
    contexts[4] = {"amqp.properties": {"expiration": "soon"}}
    async with Harness() as harness:
        sink = functools.partial(broker.sink(AMQPSink))
        pipeline = harness.chain(sink, config={"on_error": "skip"})
        harness.send([f"event {number}" for number in range(9)], contexts=contexts)
        await harness.settle()
        assert not pipeline.has_error()
        assert [failure.event for failure in harness.errors] == ["event 4"]
        assert "invalid expiration" in str(harness.errors[0].error)
    expected = {b"event %d" % number for number in range(9) if number != 4}
    assert set(await bodies(broker)) == expected


async def test_a_full_queue_is_waited_for(broker):
    await broker.declare(**{"x-max-length": 5, "x-overflow": "reject-publish"})
    events = [f"event {number}" for number in range(20)]
    found = []
    async with Harness() as harness:
        harness.chain(functools.partial(broker.sink(AMQPSink, **{"retry.longest": 0.05})))
        harness.send(events)

        async def has_come():
            found.extend(await bodies(broker))
            return len(set(found)) == 20

        await eventually(has_come, 20, 0.05)
        assert harness.errors == []
    assert len(found) == 20


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
async def test_what_a_queue_refused_is_written_when_its_limit_is_gone(broker, queue_type):
    await broker.declare(**{"x-queue-type": queue_type})
    ctl = functools.partial(asyncio.to_thread, broker.server.ctl)
    limit = '{"max-length": 5, "overflow": "reject-publish"}'
    await ctl("set_policy", "--apply-to", "queues", "full", f"^{broker.queue}$", limit)
    events = [f"event {number}" for number in range(200)]
    try:
        async with Harness() as harness:
            config = {"retry.longest": 0.05, "batch.max_events": 20}
            harness.chain(functools.partial(broker.sink(AMQPSink, **config)))
            harness.send(events)

            def is_refused():
                return any("write failed" in r.getMessage() for r in harness.logs)

            await eventually(is_refused, 20)
            await ctl("clear_policy", "full")
            await harness.settle()
            assert harness.errors == []
    finally:
        if "full" in await ctl("list_policies"):
            await ctl("clear_policy", "full")
    assert sorted(await bodies(broker)) == sorted(event.encode() for event in events)


async def test_what_was_cut_short_is_not_followed_on_the_same_channel(broker):
    await broker.declare()
    async with bare(broker.sink(AMQPSink)) as sink:
        await sink.connect()
        assert await write(sink, ["a"]) == {}
        before = sink._channel
        broker.server.pause()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await sink.write(Batch(["b"] * 100, [{}] * 100))
        broker.server.resume()
        assert await write(sink, ["c"]) == {}
        assert before.is_closed
        assert sink.Connection.rest_get()["connections"] == 1
        await sink.close()
    # How many of those that were cut short had been sent is a matter of luck.
    first, *cut_short, last = await bodies(broker)
    assert (first, last) == (b"a", b"c")
    assert set(cut_short) <= {b"b"}


@pytest.mark.parametrize("config", [{}, {"write_timeout": 0.2, "retry.longest": 0.1}])
async def test_an_alarm_of_the_broker_is_waited_for(broker, config):
    await broker.declare()
    events = [f"event {number}" for number in range(3000)]

    async def limit(ratio):
        await asyncio.to_thread(broker.server.ctl, "set_vm_memory_high_watermark", ratio)

    async with Harness() as harness:
        harness.chain(functools.partial(broker.sink(AMQPSink, **config)))
        harness.send(["first"])
        await harness.settle()
        await limit("0.0000001")
        try:
            harness.send(events)
            await harness.app.Clock.sleep(0.5)
            assert harness.counts()["event.out"] < 3000
        finally:
            await limit("0.4")
        await harness.settle()
        assert harness.errors == []
        assert broker.in_app(harness.app).rest_get()["connections"] == 1
        found = await bodies(broker)
    expected = [b"first", *[event.encode() for event in events]]
    # What was under way when the time was over is written again.
    assert (list(dict.fromkeys(found)) if config else found) == expected
