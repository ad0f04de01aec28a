"""What fails at the brokers costs no event; members come and go without a loss."""

from __future__ import annotations

import functools
import uuid

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")

from bspump.abc.errors import ConfigError  # noqa: E402
from bspump.kafka import KafkaConnection, KafkaSink, KafkaSource  # noqa: E402
from bspump.testing import eventually  # noqa: E402
from bspump.testing.harness import Harness  # noqa: E402

pytestmark = pytest.mark.integration

PRODUCE = 0
NOT_LEADER = 6
MESSAGE_TOO_LARGE = 10
TOPIC_AUTHORIZATION_FAILED = 29
QUICK = {"session.timeout.ms": 1000, "max.poll.interval.ms": 1000, "heartbeat.interval.ms": 100}


@pytest.fixture
def topic(kafka_mock):
    name = uuid.uuid4().hex
    kafka_mock.create_topic(name, partitions=2)
    return name


def part(kind, server, topic, **config):
    """Return what makes a source or a sink."""

    def make(app, pipeline):
        service = app.PumpService
        if "Kafka" not in service.Connections:
            servers = {"bootstrap_servers": server.bootstrap_servers}
            service.add_connection(KafkaConnection(app, "Kafka", servers))
        group = {"group.id": topic} if kind is KafkaSource else {}
        options = {"topic": topic, "retry.first": 0.01, **group, **config}
        return kind(app, pipeline, "Kafka", config=options)

    return functools.partial(make)


def produce(server, topic, values):
    producer = confluent_kafka.Producer({"bootstrap.servers": server.bootstrap_servers})
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % 2)
    assert producer.flush(20) == 0
    producer.close()


def numbers(count, first=0):
    return [b"%d" % number for number in range(first, first + count)]


def has_come(harness, values):
    return lambda: sorted(harness.out()) == sorted(values)


async def consumed(server, topic, values):
    async with Harness() as harness:
        harness.chain(part(KafkaSource, server, topic))
        await eventually(has_come(harness, values), 15)


@pytest.mark.fault("KafkaSink", "refuses")
async def test_errors_that_pass_are_repeated_and_written_once(kafka_mock, topic):
    kafka_mock.push_errors(PRODUCE, NOT_LEADER, NOT_LEADER)
    async with Harness() as harness:
        harness.chain(part(KafkaSink, kafka_mock, topic))
        harness.send(numbers(20))
        await harness.finish()
    await consumed(kafka_mock, topic, numbers(20))


async def test_what_a_broker_refuses_together_is_written_without_the_one_at_fault(
    kafka_mock, topic
):
    kafka_mock.push_errors(PRODUCE, MESSAGE_TOO_LARGE)
    async with Harness() as harness:
        harness.chain(part(KafkaSink, kafka_mock, topic), config={"on_error": "skip"})
        harness.send(
            [*numbers(20), b"x" * 1_100_000], contexts=[{"kafka_partition": 0} for _ in range(21)]
        )
        await harness.settle()
        assert harness.counts()["event.fail"] == 1
    await consumed(kafka_mock, topic, numbers(20))


async def test_a_missing_right_stops_the_pipeline_and_loses_nothing(kafka_mock, topic):
    async with Harness() as harness:
        pipeline = harness.chain(part(KafkaSink, kafka_mock, topic))
        kafka_mock.push_errors(PRODUCE, TOPIC_AUTHORIZATION_FAILED)
        harness.send(numbers(1))
        await eventually(pipeline.has_error, 15)
        assert isinstance(harness.errors[-1].error, ConfigError)
        pipeline.set_error(None, None, None)
        await harness.settle()
    await consumed(kafka_mock, topic, numbers(1))


@pytest.mark.fault("KafkaSink", "killed")
async def test_events_wait_while_all_brokers_are_down(kafka_mock, topic):
    async with Harness() as harness:
        harness.chain(part(KafkaSink, kafka_mock, topic))
        harness.send(numbers(5))
        await harness.settle()
        kafka_mock.broker_down()
        try:
            harness.send(numbers(5, first=5))
            await harness.app.Clock.sleep(0.3)
        finally:
            kafka_mock.broker_up()
        await harness.settle()
    await consumed(kafka_mock, topic, numbers(10))


async def test_a_pipeline_held_back_for_longer_than_the_poll_interval_stays_a_member(
    kafka_mock, topic
):
    async with Harness() as harness:
        config = {**QUICK, "buffer_size": 10}
        pipeline = harness.chain(part(KafkaSource, kafka_mock, topic, **config))
        produce(kafka_mock, topic, numbers(10))
        await eventually(has_come(harness, numbers(10)), 15)
        source = pipeline.Sources[0]
        before = source.rest_get()["partitions"]
        pipeline.throttle("test")
        produce(kafka_mock, topic, numbers(200, first=10))
        await harness.app.Clock.sleep(2.5)
        assert source.rest_get()["partitions"] == before
        pipeline.throttle("test", False)
        await eventually(has_come(harness, numbers(210)), 15)
        assert [r for r in harness.logs if "MAXPOLL" in r.getMessage()] == []


async def test_a_second_member_takes_over_without_loss_or_repetition(kafka):
    topic = uuid.uuid4().hex
    async with Harness() as harness:
        first = harness.chain(part(KafkaSource, kafka, topic), id="First")
        produce(kafka, topic, numbers(100))
        await eventually(lambda: len(harness.out("First.Out")) == 100, 15)
        second = harness.chain(part(KafkaSource, kafka, topic), id="Second")
        sources = [first.Sources[0], second.Sources[0]]
        await eventually(
            lambda: [len(source.rest_get()["partitions"]) for source in sources] == [2, 2], 20
        )
        produce(kafka, topic, numbers(100, first=100))
        await eventually(
            lambda: (
                sorted(harness.out("First.Out") + harness.out("Second.Out")) == sorted(numbers(200))
            ),
            15,
        )


async def test_partitions_that_are_lost_and_come_back_are_read_on_where_they_were(
    kafka_mock, topic
):
    async with Harness(["--set", "[checkpoint] interval=1000"]) as harness:
        pipeline = harness.chain(part(KafkaSource, kafka_mock, topic, **QUICK))
        produce(kafka_mock, topic, numbers(10))
        await eventually(has_come(harness, numbers(10)), 15)
        # Nothing of it was ever acknowledged.
        source = pipeline.Sources[0]
        kafka_mock.broker_down()
        try:
            await eventually(lambda: source.rest_get()["partitions"] == [], 15)
        finally:
            kafka_mock.broker_up()
        produce(kafka_mock, topic, numbers(10, first=10))
        await eventually(lambda: len(harness.out()) >= 20, 20)
        await harness.app.Clock.sleep(0.3)
        assert has_come(harness, numbers(20))()


@pytest.mark.parametrize("start", ["offset:3", "latest", "2000-01-01T00:00:00Z"])
async def test_a_new_group_begins_where_it_is_told(kafka, start):
    topic = uuid.uuid4().hex
    produce(kafka, topic, numbers(10))
    expected = {"offset:3": numbers(4, first=6), "latest": [], "2000-01-01T00:00:00Z": numbers(10)}
    async with Harness() as harness:
        pipeline = harness.chain(part(KafkaSource, kafka, topic, start=start))
        await eventually(lambda: pipeline.Sources[0].rest_get()["partitions"], 15)
        await eventually(has_come(harness, expected[start]), 15)
        produce(kafka, topic, [b"new"])
        await eventually(has_come(harness, [*expected[start], b"new"]), 15)


@pytest.mark.fault("KafkaSource", "killed")
async def test_a_broker_that_is_killed_and_started_costs_nothing(kafka):
    topic = uuid.uuid4().hex
    produce(kafka, topic, numbers(10))
    async with Harness() as harness:
        harness.chain(part(KafkaSource, kafka, topic))
        await eventually(lambda: set(harness.out()) == set(numbers(10)), 15)
        kafka.kill()
        kafka.start()
        produce(kafka, topic, numbers(10, first=10))
        await eventually(lambda: set(harness.out()) == set(numbers(20)), 60)
