"""What the broker brings again: known by its id, dropped and counted, also after a crash."""

from __future__ import annotations

import functools
import json

import pytest

from bspump.abc.capabilities import Can
from bspump.amqp import AMQPSource
from bspump.state import MemoryStateStore
from bspump.testing import MemoryEpochSink, MemoryTable, eventually
from bspump.testing.contracts.base import bare
from bspump.testing.harness import Harness

pytestmark = pytest.mark.integration

NEVER = ["--set", "[checkpoint] interval=1000"]
"""Checkpoints are taken when the test says so."""


async def publish(broker, count, first=0):
    """Publish numbers, each as a message with an id of its own."""
    for number in range(first, first + count):
        await broker.publish([json.dumps(number).encode()], message_id=f"id-{number}")


class NoId(str):
    """An empty id for which the client does not make one of its own."""

    __slots__ = ()

    def __bool__(self):
        return True


def repeated(pipeline):
    return pipeline.Sources[0].Counter.values["message.repeated"]


async def has_count(broker, count, queue=None):
    return await broker.count(queue) == count


def everything(harness, count):
    return lambda: sorted(harness.out()) == list(range(count))


async def test_what_was_passed_on_is_not_passed_on_again_after_a_lost_connection(broker):
    await broker.declare()
    await publish(broker, 20)
    async with Harness(NEVER) as harness:
        pipeline = harness.chain(functools.partial(broker.source(AMQPSource)))
        await eventually(everything(harness, 20))
        broker.proxy.cut()
        await publish(broker, 5, first=20)
        await eventually(everything(harness, 25))
        await eventually(lambda: repeated(pipeline) == 20)
        await pipeline.checkpoint()
        await eventually(functools.partial(has_count, broker, 0))
        assert harness.out() == list(range(25))
    assert await broker.count() == 0


async def test_without_ids_it_comes_again(broker):
    await broker.declare()
    await broker.publish([b"%d" % number for number in range(5)], message_id=NoId())
    async with Harness(NEVER) as harness:
        harness.chain(functools.partial(broker.source(AMQPSource)))
        await eventually(lambda: len(harness.out()) == 5)
        broker.proxy.cut()
        await eventually(lambda: harness.out() == [*range(5), *range(5)])


async def test_ids_that_are_to_be_ignored_are(broker):
    await broker.declare()
    await publish(broker, 5)
    async with Harness(NEVER) as harness:
        source = broker.source(AMQPSource, message_id="ignore")
        harness.chain(functools.partial(source))
        await eventually(lambda: len(harness.out()) == 5)
        broker.proxy.cut()
        await eventually(lambda: harness.out() == [*range(5), *range(5)])


async def test_two_messages_with_one_id_that_come_for_the_first_time_are_both_read(broker):
    await broker.declare()
    await broker.publish([b"1", b"2"], message_id="the same")
    async with Harness(NEVER) as harness:
        source = broker.source(AMQPSource, chunk_events=1)
        harness.chain(functools.partial(source))
        await eventually(lambda: harness.out() == [1, 2])


async def test_a_message_without_an_id_is_refused_where_ids_are_required(broker):
    await broker.declare()
    await broker.publish([b"1"], message_id=NoId())
    await publish(broker, 1, first=2)
    async with Harness() as harness:
        source = broker.source(AMQPSource, message_id="require")
        pipeline = harness.chain(functools.partial(source))
        await eventually(lambda: harness.out() == [2])
        await eventually(lambda: len(harness.errors) == 1)
        assert "message_id" in str(harness.errors[0].error)
        assert Can.IDENTIFY in pipeline.Sources[0].Capabilities
    assert await broker.count() == 0


async def test_by_default_no_promise_rests_on_ids(broker):
    async with bare(broker.source(AMQPSource)) as source:
        assert Can.IDENTIFY not in source.Capabilities


@pytest.mark.parametrize("crash_after", ["the checkpoint", "more was passed on", "nothing"])
async def test_after_a_crash_everything_arrives_once(broker, crash_after):
    await broker.declare()
    store, table = MemoryStateStore(), MemoryTable()
    source = broker.source(AMQPSource, message_id="require")

    sink = functools.partial(_epoch_sink, table)
    async with Harness(NEVER, store=store) as harness:
        pipeline = harness.chain(functools.partial(source), sink)
        await publish(broker, 10)
        await eventually(lambda: harness.counts()["event.in"] == 10)
        if crash_after != "nothing":
            # The broker never hears of the acknowledgement.
            pipeline.Sources[0].acknowledge = _not_at_all
            await pipeline.checkpoint()
        if crash_after == "more was passed on":
            await publish(broker, 10, first=10)
            await eventually(lambda: harness.counts()["event.in"] == 20)
        await harness.crash()
        broker.proxy.cut()
    sent = 20 if crash_after == "more was passed on" else 10
    assert table.Events == ([] if crash_after == "nothing" else list(range(10)))
    async with Harness(NEVER, store=store) as harness:
        pipeline = harness.chain(functools.partial(source), sink)
        await publish(broker, 5, first=sent)
        in_count = sent + 5 - len(table.Events)
        await eventually(lambda: harness.counts()["event.in"] == in_count)
        await pipeline.checkpoint()
        await eventually(functools.partial(has_count, broker, 0))
        assert repeated(pipeline) == sent + 5 - in_count
    assert table.Events == list(range(sent + 5))
    assert await broker.count() == 0


def _epoch_sink(table, app, pipeline):
    return MemoryEpochSink(app, pipeline, table)


async def _not_at_all(position):
    """Lose an acknowledgement."""


async def test_what_was_refused_is_refused_again_and_reported_once(broker):
    dead = await broker.declare(f"{broker.queue}-dead")
    await broker.declare(
        **{"x-dead-letter-exchange": "amq.direct", "x-dead-letter-routing-key": dead}
    )
    await broker.publish([b"{oops"], message_id="m1")
    await broker.publish([b"1"], message_id="m2")
    async with Harness(NEVER) as harness:
        pipeline = harness.chain(functools.partial(broker.source(AMQPSource)))
        await eventually(lambda: harness.out() == [1])
        broker.proxy.cut()
        await eventually(lambda: repeated(pipeline) == 2)
        await pipeline.checkpoint()
        await eventually(functools.partial(has_count, broker, 1, dead))
        assert len(harness.errors) == 1
        assert harness.out() == [1]
    assert await broker.count() == 0
    await broker.channel.queue_delete(dead)


async def test_half_of_the_prefetch_asks_for_a_checkpoint(broker):
    await broker.declare()
    await publish(broker, 100)
    async with Harness(NEVER) as harness:
        source = broker.source(AMQPSource, prefetch_count=10)
        harness.chain(functools.partial(source))
        # Without acknowledgements no more than ten would come.
        await eventually(everything(harness, 100), 10)
