"""The Kafka source and sink keep their contracts at a real broker."""

from __future__ import annotations

import json
import uuid

import pytest
from kafka_reading import committed

confluent_kafka = pytest.importorskip("confluent_kafka")
pytest.importorskip("confluent_kafka.admin")

from bspump.kafka import KafkaConnection, KafkaSink, KafkaSource  # noqa: E402
from bspump.testing.contracts import (  # noqa: E402
    EpochSinkContract,
    SinkContract,
    SinkTarget,
    SourceContract,
    SourceTarget,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def topic():
    return uuid.uuid4().hex


def connection(app, server):
    service = app.PumpService
    if "Kafka" not in service.Connections:
        service.add_connection(
            KafkaConnection(app, "Kafka", {"bootstrap.servers": server.bootstrap_servers})
        )
    return service.locate_connection("Kafka")


def produce(server, topic, values, partition=-1):
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": server.bootstrap_servers, "message.max.bytes": 1_040_000}
    )
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(20) == 0
    producer.close()


def stored(server, topic):
    """Return the values of a topic, each partition in its order."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": server.bootstrap_servers, "group.id": uuid.uuid4().hex}
    )
    try:
        known = consumer.list_topics(timeout=20).topics.get(topic)
        values = []
        for number in known.partitions if known is not None else ():
            place = confluent_kafka.TopicPartition(topic, number, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=20)
            consumer.assign([place])
            last = -1
            while last < end - 1:
                message = consumer.poll(20)
                assert message is not None
                assert message.error() is None
                values.append(message.value())
                last = message.offset()
        return values
    finally:
        consumer.close()


class TestKafkaSink(SinkContract):
    @pytest.fixture
    def target(self, kafka, topic):
        config = {"topic": topic, "retry.first": 0.01, "message.max.bytes": 1_040_000}
        return SinkTarget(
            make=lambda app, pipeline: KafkaSink(
                app, pipeline, connection(app, kafka), config=config
            ),
            stored=lambda: [json.loads(value) for value in stored(kafka, topic)],
            poison={"number": -1, "text": "x" * 1_100_000},
            is_ordered=False,
        )


class TestKafkaSinkWithEpochs(EpochSinkContract):
    @pytest.fixture
    def target(self, kafka, topic):
        config = {
            "topic": topic,
            "exactly_once": "yes",
            "retry.first": 0.01,
            "message.max.bytes": 1_040_000,
        }
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
        admin.create_topics([confluent_kafka.admin.NewTopic(topic, 1)])[topic].result(20)
        return SinkTarget(
            make=lambda app, pipeline: KafkaSink(
                app, pipeline, connection(app, kafka), config=config
            ),
            stored=lambda: [json.loads(value) for value in committed(kafka, topic)],
            poison={"number": -1, "text": "x" * 1_100_000},
        )


@pytest.mark.parametrize("partitions", ["", "all"], ids=["group", "partitions"], scope="class")
class TestKafkaSource(SourceContract):
    @pytest.fixture
    def target(self, kafka, topic, partitions):
        config = {"topic": topic, "group.id": topic, "codec": "json", "retry.first": 0.01}
        config["partitions"] = partitions
        # The kit compares orders, so there is one partition.
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
        admin.create_topics([confluent_kafka.admin.NewTopic(topic, 1)])[topic].result(20)
        return SourceTarget(
            make=lambda app, pipeline: KafkaSource(
                app, pipeline, connection(app, kafka), config=config
            ),
            write=lambda events: produce(kafka, topic, map(json.dumps, events)),
        )
