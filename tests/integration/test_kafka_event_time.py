"""Event time of a topic: each partition that was assigned has a clock, and is waited for."""

from __future__ import annotations

import uuid
from functools import partial

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")
pytest.importorskip("confluent_kafka.admin")

from bspump.kafka import KafkaConnection, KafkaSource  # noqa: E402
from bspump.testing import eventually  # noqa: E402
from bspump.testing.harness import Harness  # noqa: E402
from bspump.window import EventTime, Tumbling, WindowAggregator  # noqa: E402

pytestmark = pytest.mark.integration

T0_MS = 1_700_000_000_000
SECONDS = 3000


@pytest.fixture
def topic(kafka):
    name = uuid.uuid4().hex
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([confluent_kafka.admin.NewTopic(name, 3)])[name].result(20)
    return name


def produce(server, topic, partition, seconds):
    producer = confluent_kafka.Producer({"bootstrap.servers": server.bootstrap_servers})
    for second in seconds:
        at_ms = T0_MS + second * 1000
        producer.produce(topic, b"x", partition=partition, timestamp=at_ms)
    assert producer.flush(20) == 0
    producer.close()


def chain(harness, server, topic, id):
    def source(app, pipeline):
        if "Kafka" not in app.PumpService.Connections:
            servers = {"bootstrap_servers": server.bootstrap_servers}
            app.PumpService.add_connection(KafkaConnection(app, "Kafka", servers))
        options = {"topic": topic, "group.id": topic, "auto.offset.reset": "smallest"}
        return KafkaSource(app, pipeline, "Kafka", config=options)

    return harness.chain(
        partial(source),
        partial(EventTime, id="Time", config={"of": "kafka", "idle": 2}),
        partial(WindowAggregator, window=Tumbling("100s"), aggregate={"n": "count"}, id="Windows"),
        id=id,
    )


async def test_nothing_is_late_because_one_partition_was_read_before_another(kafka, topic):
    produce(kafka, topic, 0, range(SECONDS))
    produce(kafka, topic, 1, range(SECONDS))
    produce(kafka, topic, 2, [50])
    async with Harness() as harness:
        pipeline = chain(harness, kafka, topic, "P")
        for _ in range(100):
            # The last one is silent from now on, and time stands still until it is idle.
            for partition in (0, 1):
                produce(kafka, topic, partition, [SECONDS])
            await harness.advance(0.2)
            if harness.out():
                break
        assert [each["n"] for each in harness.out()] == [201, *[200] * (SECONDS // 100 - 1)]
        time, windows = pipeline.rest_get()["EventTime"]
        assert windows["Late"] == 0
        assert [each["Idle"] for each in time["Partitions"]] == [False, False, True]


async def test_a_partition_that_went_to_another_member_is_waited_for_no_longer(kafka, topic):
    for partition in range(3):
        produce(kafka, topic, partition, [partition])
    async with Harness() as harness:
        first = chain(harness, kafka, topic, "First")

        def known():
            times = first.rest_get().get("EventTime", [{"Partitions": []}])
            return sorted(each["Partition"] for each in times[0]["Partitions"])

        await eventually(lambda: len(known()) == 3, within_s=30)
        chain(harness, kafka, topic, "Second")

        def ours():
            return [name.replace("-", " ") for name in first.Sources[0].rest_get()["partitions"]]

        await eventually(lambda: 0 < len(ours()) < 3 and known() == ours(), within_s=30)
