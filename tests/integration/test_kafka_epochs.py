"""Exactly once at a real broker: crashes, lost replies, fencing, offsets in the transaction."""

from __future__ import annotations

import asyncio
import functools
import uuid

import pytest
from kafka_reading import committed
from steps import NEVER, STEPS, crash_after, write

confluent_kafka = pytest.importorskip("confluent_kafka")
pytest.importorskip("confluent_kafka.admin")

from bspump.abc.errors import ConfigError  # noqa: E402
from bspump.kafka import KafkaConnection, KafkaSink, KafkaSource  # noqa: E402
from bspump.state import MemoryStateStore  # noqa: E402
from bspump.testing import eventually, lose_reply  # noqa: E402
from bspump.testing.contracts.base import bare  # noqa: E402
from bspump.testing.contracts.sink import batch_of, commit  # noqa: E402
from bspump.testing.harness import Harness  # noqa: E402

pytestmark = pytest.mark.integration

QUICK_MEMBER = {"session.timeout.ms": 6000, "group.protocol": "classic"}


def numbers(count, first=0):
    return [b"%d" % number for number in range(first, first + count)]


def new_topic(server, **config):
    name = uuid.uuid4().hex
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.bootstrap_servers})
    topic = confluent_kafka.admin.NewTopic(name, 1, config=config)
    admin.create_topics([topic])[name].result(20)
    return name


@pytest.fixture
def topic(kafka):
    return new_topic(kafka)


def part(kind, server, **config):
    """Return what makes a source or a sink."""

    def make(app, pipeline):
        service = app.PumpService
        if "Kafka" not in service.Connections:
            servers = {"bootstrap.servers": server.bootstrap_servers}
            service.add_connection(KafkaConnection(app, "Kafka", servers))
        return kind(app, pipeline, "Kafka", config={"retry.first": 0.01, **config})

    return functools.partial(make)


def sink(server, topic, **config):
    return part(KafkaSink, server, topic=topic, exactly_once="yes", **config)


def source(server, topic, **config):
    return part(
        KafkaSource, server, **{"topic": topic, "group.id": topic, **QUICK_MEMBER, **config}
    )


def produce(server, topic, values):
    producer = confluent_kafka.Producer({"bootstrap.servers": server.bootstrap_servers})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(20) == 0
    producer.close()


def consumer_of(server, group):
    return confluent_kafka.Consumer(
        {
            "bootstrap.servers": server.bootstrap_servers,
            "group.id": group,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )


def group_offset(server, group, topic):
    """Return the offset of a group; less than 0 if it has none."""
    consumer = consumer_of(server, group)
    try:
        place = confluent_kafka.TopicPartition(topic, 0)
        return consumer.committed([place], timeout=20)[0].offset
    finally:
        consumer.close()


def set_group_offset(server, group, topic, offset):
    consumer = consumer_of(server, group)
    try:
        place = confluent_kafka.TopicPartition(topic, 0, offset)
        consumer.commit(offsets=[place], asynchronous=False)
    finally:
        consumer.close()


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_after_any_step_costs_nothing(kafka, topic, step):
    harness = await crash_after(step, sink(kafka, topic), numbers(40), lambda: None)
    assert committed(kafka, topic) == numbers(40)
    assert harness.counts()["event.in"] == (0 if step in ("committed", "promoted") else 20)


async def test_a_commit_whose_answer_is_lost_happens_once(kafka, topic):
    async with Harness(NEVER) as harness:
        pipeline = harness.chain(sink(kafka, topic))
        await write(harness, numbers(10))
        with lose_reply(next(iter(pipeline.iter_processors())), method="commit") as fault:
            await pipeline.checkpoint()
        assert fault.struck == 1
        await write(harness, numbers(10, first=10))
        await pipeline.checkpoint()
    assert committed(kafka, topic) == numbers(20)


async def test_a_transaction_that_is_lost_with_the_broker_is_written_again(kafka, topic):
    async with Harness(NEVER) as harness:
        pipeline = harness.chain(sink(kafka, topic))
        await write(harness, numbers(10))
        kafka.kill()
        kafka.start()
        await write(harness, numbers(10, first=10))
        await pipeline.checkpoint()
    assert committed(kafka, topic) == numbers(20)


async def test_what_is_not_committed_at_the_end_keeps_no_reader_waiting(kafka, topic):
    async with bare(sink(kafka, topic)) as open_sink:
        await open_sink.connect()
        await open_sink.write(batch_of(numbers(3)))
        await open_sink.close()
    produce(kafka, topic, numbers(3, first=3))
    assert committed(kafka, topic) == numbers(3, first=3)


@pytest.mark.parametrize("before", ["the commit", "the second write"])
async def test_another_process_with_the_same_id_stops_the_pipeline_and_says_so(
    kafka, topic, before
):
    config = {"transactional.id": topic}
    async with Harness(NEVER) as harness:
        pipeline = harness.chain(sink(kafka, topic, **config))
        await write(harness, numbers(1))
        if before == "the commit":
            await write(harness, numbers(2, first=1))
        async with bare(sink(kafka, topic, **config)) as other:
            await other.connect()
            await other.write(batch_of(numbers(3, first=100)))
            if before == "the second write":
                harness.send(numbers(2, first=1))
                await eventually(lambda: harness.counts()["event.in"] == 3)
            checkpoint = harness.app.spawn(pipeline.checkpoint(), name="a checkpoint")
            await eventually(pipeline.has_error, 20)
            error = harness.errors[-1].error
            assert isinstance(error, ConfigError)
            assert "another process uses the transactional id" in str(error)
            await commit(other)
            await other.close()
        # The operator has ended the other one.
        pipeline.set_error(None, None, None)
        await checkpoint
    assert committed(kafka, topic) == [*numbers(3, first=100), *numbers(3)]


async def test_what_a_broker_refuses_spares_its_neighbours(kafka):
    topic = new_topic(kafka, **{"max.message.bytes": "2000"})
    async with Harness(NEVER) as harness:
        config = {"on_error": "skip"}
        pipeline = harness.chain(sink(kafka, topic, **{"batch.max_events": 10}), config=config)
        values = [*numbers(15), b"x" * 5000, *numbers(15, first=15)]
        await write(harness, values)
        await pipeline.checkpoint()
        assert [failure.event for failure in harness.errors] == [b"x" * 5000]
    assert sorted(committed(kafka, topic)) == sorted(numbers(30))


async def test_the_offsets_of_the_source_are_part_of_the_transaction(kafka, topic):
    target = new_topic(kafka)
    async with Harness(NEVER) as harness:
        produce(kafka, topic, numbers(10))
        pipeline = harness.chain(source(kafka, topic), sink(kafka, target))
        pipeline.Sources[0].acknowledge = _not_at_all
        await eventually(lambda: harness.counts()["event.in"] == 10, 20)
        assert group_offset(kafka, topic, topic) < 0
        await pipeline.checkpoint()
        assert group_offset(kafka, topic, topic) == 10
        assert committed(kafka, target) == numbers(10)


async def _not_at_all(position):
    """Lose an acknowledgement."""


async def test_reading_goes_on_at_the_checkpoint_where_the_group_is_behind(kafka, topic):
    store, seen = MemoryStateStore(), []

    def note(context, event):
        seen.append(event)
        return event

    produce(kafka, topic, numbers(10))
    for count in (10, 20):
        async with Harness(NEVER, store=store) as harness:
            pipeline = harness.chain(source(kafka, topic), note)
            pipeline.Sources[0].acknowledge = _not_at_all
            await eventually(lambda count=count: len(seen) == count, 30)
            await pipeline.checkpoint()
            await harness.crash()
            await pipeline.Sources[0].close()
        produce(kafka, topic, numbers(10, first=count))
    assert seen == numbers(20)
    assert group_offset(kafka, topic, topic) < 0


async def test_what_somebody_else_has_read_meanwhile_is_skipped_and_never_set_back(kafka, topic):
    store = MemoryStateStore()
    produce(kafka, topic, numbers(10))
    async with Harness(NEVER, store=store) as harness:
        pipeline = harness.chain(source(kafka, topic))
        await eventually(lambda: harness.out() == numbers(10), 20)
        await pipeline.checkpoint()
    set_group_offset(kafka, topic, topic, 10)
    produce(kafka, topic, numbers(10, first=10))
    set_group_offset(kafka, topic, topic, 15)
    async with Harness(NEVER, store=store) as harness:
        pipeline = harness.chain(source(kafka, topic))
        await eventually(lambda: pipeline.Sources[0].rest_get()["partitions"], 20)
        await pipeline.Sources[0].acknowledge({f"{topic}-0": 10})
        assert group_offset(kafka, topic, topic) == 15
        await eventually(lambda: harness.out() == numbers(5, first=15), 20)
        await pipeline.checkpoint()
        await eventually(lambda: group_offset(kafka, topic, topic) == 20, 20)


async def test_a_large_transaction_asks_for_a_checkpoint(kafka, topic):
    async with Harness(NEVER) as harness:
        config = {"transaction.max_events": 100, "batch.max_events": 10}
        harness.chain(sink(kafka, topic, **config))
        harness.send(numbers(1000))
        seen = functools.partial(asyncio.to_thread, committed, kafka, topic)

        async def are_most_there():
            return len(await seen()) >= 900

        await eventually(are_most_there, 20)
