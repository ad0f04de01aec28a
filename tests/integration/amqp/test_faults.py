"""The broker is killed, paused, restarted, and changed under the hands of the program."""

from __future__ import annotations

import asyncio
import functools
import json

import pytest

from bspump.abc.errors import ConfigError
from bspump.amqp import AMQPConnection, AMQPSink, AMQPSource
from bspump.testing import eventually
from bspump.testing.contracts.base import bare
from bspump.testing.faults import cancel_everywhere
from bspump.testing.harness import Harness

pytestmark = pytest.mark.integration

COUNT = 3000


def numbers(count=COUNT, first=0):
    return [{"number": number} for number in range(first, first + count)]


def all_there(harness, events):
    def check():
        found = {event["number"] for event in harness.out()}
        missing = [event for event in events if event["number"] not in found]
        assert not missing, f"{len(missing)} events are missing, the first is {missing[0]}"
        return True

    return check


async def kill(broker):
    await asyncio.to_thread(broker.server.kill)
    await asyncio.to_thread(broker.server.start)


async def restart(broker):
    await asyncio.to_thread(broker.server.restart)


async def close_all(broker):
    await asyncio.to_thread(broker.server.ctl, "close_all_connections", "for a test")


async def cut(broker):
    broker.proxy.cut()


def known_as(fault, name):
    """Return a fault with the name that it has on the page about delivery."""
    marks = [pytest.mark.fault(part, name) for part in ("AMQPSource", "AMQPSink")]
    return pytest.param(fault, marks=marks)


FAULTS = pytest.mark.parametrize(
    "fault", [known_as(kill, "killed"), restart, close_all, known_as(cut, "connections cut")]
)


@FAULTS
@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
async def test_no_message_is_lost_between_two_queues(broker, fault, queue_type):
    await broker.declare(**{"x-queue-type": queue_type})
    target = await broker.declare(f"{broker.queue}-target")
    await broker.write(numbers())
    async with Harness() as harness:
        source = broker.source(AMQPSource, prefetch_count=200, codec="raw")
        sink = broker.make(AMQPSink, routing_key=target, **{"batch.max_events": 100})
        pipeline = harness.chain(functools.partial(source), functools.partial(sink))
        await eventually(lambda: harness.counts()["event.in"] >= 400)
        if fault is kill:
            # RabbitMQ 3.10 may forget a queue when it is killed right after the declaration.
            pipeline.throttle("wait")
            await harness.app.Clock.sleep(3)
            pipeline.throttle("wait", False)
        await broker.disconnect()
        await fault(broker)

        async def is_drained():
            done = await broker.count() == 0 and harness.counts()["event.in"] >= COUNT
            return done and not pipeline.under_way()

        await eventually(is_drained, 30, 0.1)
        await harness.settle()
        assert harness.errors == []
    found = [json.loads(message.body)["number"] for message in await broker.take(target)]
    await broker.channel.queue_delete(target)
    assert sorted(set(found)) == list(range(COUNT))
    # What comes again is what was not acknowledged or confirmed, no more; except that a broker
    # that is killed forgets acknowledgements.
    assert fault is kill or len(found) <= COUNT + 400
    assert await broker.count() == 0


@pytest.mark.fault("AMQPSource", "paused")
async def test_a_broker_that_hangs_is_given_up_and_found_again(broker):
    await broker.declare()
    await broker.write(numbers(10))
    async with Harness() as harness:
        broker.in_app(harness.app, heartbeat=1)
        harness.chain(functools.partial(broker.source(AMQPSource)))
        await eventually(all_there(harness, numbers(10)))
        broker.server.pause()
        await eventually(lambda: any("cannot read" in r.getMessage() for r in harness.logs), 20)
        broker.server.resume()
        await broker.write(numbers(10, first=10))
        await eventually(all_there(harness, numbers(20)), 20)


async def test_a_queue_that_is_deleted_is_declared_again(broker):
    async with Harness() as harness:
        # A quorum queue refuses messages while it elects the leader of its second life.
        config = {"topology.declare": "yes", "topology.type": "classic"}
        harness.chain(functools.partial(broker.source(AMQPSource, **config)))
        await eventually(broker.has_queue)
        await broker.write(numbers(5))
        await eventually(all_there(harness, numbers(5)))
        await broker.channel.queue_delete(broker.queue)
        await eventually(broker.has_queue)
        await broker.write(numbers(10))
        await eventually(all_there(harness, numbers(10)))


async def test_a_queue_that_is_gone_stops_the_pipeline_that_only_uses_it(broker):
    await broker.declare()
    async with Harness() as harness:
        pipeline = harness.chain(functools.partial(broker.source(AMQPSource)))
        await broker.write(numbers(5))
        await eventually(all_there(harness, numbers(5)))
        await broker.channel.queue_delete(broker.queue)
        await eventually(pipeline.has_error)
        (failure,) = harness.errors
        assert isinstance(failure.error, ConfigError)
        assert f"no queue '{broker.queue}'" in str(failure.error)
        await broker.declare()
        await broker.write(numbers(10))
        pipeline.set_error(None, None, None)
        await eventually(all_there(harness, numbers(10)))


@pytest.mark.parametrize(
    ("part", "config", "url", "message"),
    [
        (AMQPSource, {}, "amqp://guest:wr0ng@{}/", "ACCESS_REFUSED"),
        (AMQPSink, {}, "amqp://guest:wr0ng@{}/", "ACCESS_REFUSED"),
        (AMQPSource, {}, "amqp://guest:guest@{}/nowhere", "vhost nowhere not found"),
        (AMQPSource, {"queue": "nothing"}, "amqp://guest:guest@{}/", "no queue 'nothing'"),
        (AMQPSource, {"error_exchange": "no-ex"}, "amqp://guest:guest@{}/", "no exchange 'no-ex'"),
        (AMQPSink, {"exchange": "no-ex"}, "amqp://guest:guest@{}/", "no exchange 'no-ex'"),
        (AMQPSink, {}, "http://guest:s3cret@{}/", "amqp://user:password@host:port"),
    ],
)
async def test_what_the_operator_must_change_stops_the_pipeline_and_tells_no_secret(
    broker, part, config, url, message
):
    await broker.declare()
    async with Harness() as harness:
        address = f"127.0.0.1:{broker.proxy.port}"
        connection = AMQPConnection(harness.app, "Rabbit", {"url": url.format(address)})
        harness.app.PumpService.add_connection(connection)
        if part is AMQPSource:
            config = {"queue": broker.queue, **config}
        pipeline = harness.chain(functools.partial(broker.make(part, **config)))
        await eventually(pipeline.has_error)
        error = harness.errors[0].error
        assert isinstance(error, ConfigError)
        assert message in str(error)
        shown = " ".join([str(error), str(connection.rest_get()), *map(str, harness.logs)])
        assert "wr0ng" not in shown
        assert "s3cret" not in shown


async def test_a_broker_that_is_not_there_is_waited_for(broker):
    await broker.declare()
    await broker.write(numbers(5))
    await asyncio.to_thread(broker.server.stop)
    async with Harness() as harness:
        harness.chain(functools.partial(broker.source(AMQPSource)))
        await eventually(lambda: any("cannot read" in r.getMessage() for r in harness.logs))
        await asyncio.to_thread(broker.server.start)
        await eventually(all_there(harness, numbers(5)), 20)


async def test_the_state_of_the_connection_is_published(broker):
    await broker.declare()
    seen = []

    def note(message, connection):
        seen.append((message, connection.Id))

    async with Harness() as harness:
        for message in ("AMQPConnection.open!", "AMQPConnection.close!"):
            harness.app.PubSub.subscribe(message, note)
        pipeline = harness.chain(functools.partial(broker.source(AMQPSource)))
        await eventually(lambda: len(seen) == 1)
        broker.proxy.cut()
        await eventually(lambda: len(seen) == 3)
        connection = broker.in_app(harness.app)
        assert connection.rest_get()["connections"] == 1
        assert "guest:guest" not in str(connection.rest_get())
        await pipeline.stop()
    opened, closed = ("AMQPConnection.open!", "Rabbit"), ("AMQPConnection.close!", "Rabbit")
    assert seen == [opened, closed, opened, closed]


@pytest.mark.parametrize("part", [AMQPSource, AMQPSink])
async def test_a_connect_that_is_cancelled_leaves_nothing_open(broker, part):
    await broker.declare()
    make = broker.source(part) if part is AMQPSource else broker.sink(part)
    async with bare(make) as component:
        connection = component.Connection

        async def check():
            await component.close()
            assert connection.rest_get()["connections"] == 0

        await cancel_everywhere(component.connect, check)
