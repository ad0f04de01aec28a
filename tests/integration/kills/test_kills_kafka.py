"""Kafka to Kafka and to PostgreSQL: every event exactly once, whatever kills the program."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from feeding import Feeder, assert_each_once, event
from killing import KILLS, Killing

confluent_kafka = pytest.importorskip("confluent_kafka")
pytest.importorskip("confluent_kafka.admin")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def make_topics(server: Any, *names: str) -> None:
    """Make topics of one partition: the order is part of what is checked."""
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.bootstrap_servers})
    made = admin.create_topics([confluent_kafka.admin.NewTopic(name, 1) for name in names])
    for future in made.values():
        future.result(20)


class Feed:
    """Produces numbered events, each confirmed."""

    def __init__(self, server: Any, topic: str) -> None:
        self._producer = confluent_kafka.Producer({"bootstrap.servers": server.bootstrap_servers})
        self._topic = topic

    def send(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self._producer.produce(self._topic, json.dumps(event(number)))
        assert self._producer.flush(20) == 0


class Reader:
    """Sees what a reader of committed transactions sees."""

    def __init__(self, server: Any, topic: str) -> None:
        self._consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": server.bootstrap_servers, "group.id": uuid.uuid4().hex}
        )
        self._consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        self.events: list[dict[str, Any]] = []

    def read(self) -> int:
        """Read what there is; return how many events it has seen."""
        for message in self._consumer.consume(5000, timeout=0.3):
            assert message.error() is None
            self.events.append(json.loads(message.value()))
        return len(self.events)

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def topics(kafka: Any) -> tuple[str, str]:
    names = uuid.uuid4().hex, uuid.uuid4().hex
    make_topics(kafka, *names)
    return names


@pytest.fixture
def reader(kafka: Any, topics: tuple[str, str]) -> Iterator[Reader]:
    reader = Reader(kafka, topics[1])
    yield reader
    reader.close()


def source_of(kafka: Any, topic: str) -> dict[str, Any]:
    # A member that was killed must not keep its partition for long.
    return {
        "kind": "kafka",
        "connection": {"bootstrap.servers": kafka.bootstrap_servers},
        "topic": topic,
        "group.id": topic,
        "session.timeout.ms": 6000,
        "group.protocol": "classic",
        "group.instance.id": "the-only-one",
    }


@pytest.mark.fault("KafkaSource", "program killed")
@pytest.mark.fault("KafkaSink", "program killed")
def test_kafka_to_kafka_is_exactly_once(
    kafka: Any, topics: tuple[str, str], reader: Reader, tmp_path: Path
) -> None:
    sink = {
        "kind": "kafka",
        "connection": {"bootstrap.servers": kafka.bootstrap_servers},
        "topic": topics[1],
    }
    killing = Killing(source_of(kafka, topics[0]), sink, tmp_path)
    with Feeder(Feed(kafka, topics[0]).send, every_s=0.02) as feeder:
        killing.run(least_s=0.4, most_s=1.6)
    killing.finish(lambda: reader.read() >= feeder.sent)
    assert killing.kills == KILLS
    reader.read()
    assert_each_once(reader.events, feeder.sent)


@pytest.mark.fault("PostgreSQLSink", "program killed")
def test_kafka_to_postgresql_is_exactly_once(
    kafka: Any, topics: tuple[str, str], table: Any, tmp_path: Path
) -> None:
    killing = Killing(source_of(kafka, topics[0]), table.sink(), tmp_path)
    with Feeder(Feed(kafka, topics[0]).send, every_s=0.02) as feeder:
        killing.run(least_s=0.4, most_s=1.6)
    killing.finish(lambda: table.count() >= feeder.sent)
    assert killing.kills == KILLS
    assert_each_once(table.rows(), feeder.sent)
