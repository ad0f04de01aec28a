"""Partitions that are read without a group, at a real broker: resumed, noticed, exactly once."""

from __future__ import annotations

import functools
import uuid

import pytest
from kafka_reading import committed
from steps import NEVER

confluent_kafka = pytest.importorskip("confluent_kafka")
pytest.importorskip("confluent_kafka.admin")

from bspump.abc.capabilities import Can  # noqa: E402
from bspump.abc.errors import ConfigError  # noqa: E402
from bspump.kafka import KafkaConnection, KafkaSink, KafkaSource  # noqa: E402
from bspump.state import MemoryStateStore  # noqa: E402
from bspump.testing import eventually  # noqa: E402
from bspump.testing.harness import Harness  # noqa: E402

pytestmark = pytest.mark.integration


def new_topic(server, partitions=2, name=None):
    name = name or uuid.uuid4().hex
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.bootstrap_servers})
    admin.create_topics([confluent_kafka.admin.NewTopic(name, partitions)])[name].result(20)
    return name


def add_partitions(server, topic, count):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.bootstrap_servers})
    admin.create_partitions([confluent_kafka.admin.NewPartitions(topic, count)])[topic].result(20)


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


def source(server, topic, partitions="all", **config):
    return part(KafkaSource, server, topic=topic, partitions=partitions, **config)


def produce(server, topic, values, partitions=2):
    """Write values to the partitions of a topic by turns."""
    producer = confluent_kafka.Producer({"bootstrap.servers": server.bootstrap_servers})
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % partitions)
    assert producer.flush(20) == 0
    producer.close()


def numbers(count, first=0):
    return [b"%03d" % number for number in range(first, first + count)]


def have_come(harness, values):
    def ask():
        assert sorted(harness.out()) == sorted(values)
        return True

    return ask


def assigned(pipeline):
    return pipeline.Sources[0].rest_get()["partitions"]


async def test_only_the_partitions_that_are_named_are_read_and_no_group_is_told(kafka, topic):
    produce(kafka, topic, numbers(10))
    async with Harness(NEVER) as harness:
        pipeline = harness.chain(source(kafka, topic, "1", **{"group.id": topic}))
        await eventually(have_come(harness, numbers(10)[1::2]), 20)
        assert assigned(pipeline) == [f"{topic}-1"]
        assert pipeline.Sources[0].Capabilities == Can.RESUME
        await pipeline.checkpoint()
        await harness.settle()
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": kafka.bootstrap_servers, "group.id": topic}
    )
    try:
        place = confluent_kafka.TopicPartition(topic, 1)
        assert consumer.committed([place], timeout=20)[0].offset < 0
    finally:
        consumer.close()


async def test_a_partition_that_there_is_not_stops_the_pipeline(kafka, topic):
    async with Harness(NEVER) as harness:
        pipeline = harness.chain(source(kafka, topic, "0-2"))
        await eventually(pipeline.has_error, 20)
        assert isinstance(harness.errors[-1].error, ConfigError)
        assert "has no partition 2" in str(harness.errors[-1].error)


@pytest.mark.parametrize("start", ["earliest", "latest", "offset:3", "2000-01-01T00:00:00Z"])
async def test_what_comes_while_nobody_reads_is_read_after_the_checkpoint(kafka, topic, start):
    """Also of a partition from which nothing had come when the checkpoint was made."""
    produce(kafka, topic, numbers(10))
    first = {"latest": [], "offset:3": numbers(4, first=6)}.get(start, numbers(10))
    store = MemoryStateStore()
    async with Harness(NEVER, store=store) as harness:
        pipeline = harness.chain(source(kafka, topic, start=start))
        await eventually(lambda: len(assigned(pipeline)) == 2, 20)
        await eventually(have_come(harness, first), 20)
        # An empty read says where it begins.
        if start == "latest":
            await eventually(lambda: len(pipeline.Sources[0].Position or {}) == 2, 20)
        await pipeline.checkpoint()
        await harness.crash()
        await pipeline.Sources[0].close()
    produce(kafka, topic, numbers(10, first=10))
    async with Harness(NEVER, store=store) as harness:
        harness.chain(source(kafka, topic, start=start))
        await eventually(have_come(harness, numbers(10, first=10)), 20)


async def test_partitions_and_topics_that_are_added_are_read_from_their_beginning(kafka, topic):
    later = f"{topic}-later"
    async with Harness(NEVER) as harness:
        config = {"start": "latest", "refresh_topics": 0.3}
        pipeline = harness.chain(source(kafka, f"{topic} ^{topic}-.*", **config))
        await eventually(lambda: len(assigned(pipeline)) == 2, 20)
        add_partitions(kafka, topic, 3)
        new_topic(kafka, 1, later)
        produce(kafka, topic, numbers(9), 3)
        produce(kafka, later, numbers(5, first=9), 1)
        await eventually(have_come(harness, numbers(14)), 20)
        assert len(assigned(pipeline)) == 4


async def test_what_is_added_while_nobody_reads_is_read_from_its_beginning(kafka, topic):
    store, later = MemoryStateStore(), f"{topic}-later"
    reading = source(kafka, f"{topic} ^{topic}-.*", start="latest")
    async with Harness(NEVER, store=store) as harness:
        pipeline = harness.chain(reading)
        await eventually(lambda: len(pipeline.Sources[0].Position or {}) == 2, 20)
        await pipeline.checkpoint()
    add_partitions(kafka, topic, 3)
    new_topic(kafka, 1, later)
    produce(kafka, topic, numbers(9), 3)
    produce(kafka, later, numbers(5, first=9), 1)
    async with Harness(NEVER, store=store) as harness:
        harness.chain(reading)
        await eventually(have_come(harness, numbers(14)), 20)


async def test_a_topic_that_there_is_not_yet_is_waited_for_and_missed_in_the_log(kafka, topic):
    later = f"{topic}-later"
    async with Harness(NEVER) as harness:
        harness.chain(source(kafka, f"{topic} {later}", refresh_topics=0.3))
        produce(kafka, topic, numbers(4))
        await eventually(have_come(harness, numbers(4)), 20)
        assert [r for r in harness.logs if "does not exist yet" in r.getMessage()]
        new_topic(kafka, 1, later)
        produce(kafka, later, numbers(4, first=4), 1)
        await eventually(have_come(harness, numbers(8)), 20)


async def test_with_transactions_each_message_is_written_once_however_often_it_crashes(
    kafka, topic
):
    """The checkpoint alone says where to read on: the transaction has no offsets of a group."""
    target, store = new_topic(kafka, 1), MemoryStateStore()
    written = part(KafkaSink, kafka, topic=target, exactly_once="yes")
    reading = source(kafka, topic, buffer_size=5)

    async def read_up_to(pipeline, count):
        (source,) = pipeline.Sources
        await eventually(lambda: sum((source.Position or {}).values()) == count, 20)

    for life in (1, 2):
        async with Harness(NEVER, store=store) as harness:
            pipeline = harness.chain(reading, written)
            produce(kafka, topic, numbers(20, first=40 * (life - 1)))
            await read_up_to(pipeline, 40 * life - 20)
            await pipeline.checkpoint()
            produce(kafka, topic, numbers(20, first=40 * life - 20))
            await read_up_to(pipeline, 40 * life)
            # It is in a transaction that nobody commits.
            await pipeline.flush()
            await harness.crash()
            await pipeline.Sources[0].close()
    async with Harness(NEVER, store=store) as harness:
        pipeline = harness.chain(reading, written)
        await read_up_to(pipeline, 80)
        assert harness.counts()["event.in"] == 20
        await pipeline.checkpoint()
    assert sorted(committed(kafka, target)) == numbers(80)
