"""Members of a group at a real broker: new topics, partitions that come and go, a slow end."""

from __future__ import annotations

import functools
import uuid

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")
pytest.importorskip("confluent_kafka.admin")

from bspump.kafka import KafkaConnection, KafkaSource  # noqa: E402
from bspump.testing import eventually  # noqa: E402
from bspump.testing.harness import Harness  # noqa: E402

pytestmark = pytest.mark.integration


@pytest.fixture
def topic():
    return uuid.uuid4().hex


def source(server, group, topic=None, **config):
    """Return what makes a source."""

    topic = topic or group

    def make(app, pipeline):
        service = app.PumpService
        if "Kafka" not in service.Connections:
            servers = {"bootstrap_servers": server.bootstrap_servers}
            service.add_connection(KafkaConnection(app, "Kafka", servers))
        options = {"topic": topic, "group.id": group, "retry.first": 0.01, **config}
        return KafkaSource(app, pipeline, "Kafka", config=options)

    return functools.partial(make)


def make_topic(server, topic, partitions):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.bootstrap_servers})
    new = confluent_kafka.admin.NewTopic(topic, partitions)
    admin.create_topics([new])[topic].result(20)


def produce(server, topic, values, partitions=2):
    producer = confluent_kafka.Producer({"bootstrap.servers": server.bootstrap_servers})
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % partitions)
    assert producer.flush(20) == 0
    producer.close()


def numbers(count, first=0):
    return [b"%03d" % number for number in range(first, first + count)]


def held(harness):
    """Return a processor that holds events back until `harness.is_held` is false."""
    harness.is_held = True

    async def wait(context, event):
        while harness.is_held:
            await harness.app.Clock.sleep(0.02)
        return event

    return wait


def partitions_of(*pipelines):
    return [len(pipeline.Sources[0].rest_get()["partitions"]) for pipeline in pipelines]


def all_have_come(harness, values, *ids):
    def ask():
        found = sorted(value for id_ in ids for value in harness.out(f"{id_}.Out"))
        assert found == sorted(values)
        return True

    return ask


async def test_topics_that_match_join_and_others_do_not(kafka, topic):
    produce(kafka, f"{topic}-a", numbers(5))
    produce(kafka, f"other-{topic}-a", [b"other"])
    async with Harness() as harness:
        # A word of its own beside an expression is a name.
        config = {"topic": f"^{topic}-.* {topic}_named", "refresh_topics": 0.5}
        harness.chain(source(kafka, topic, **config), id="P")
        await eventually(all_have_come(harness, numbers(5), "P"), 20)
        produce(kafka, f"{topic}-b", numbers(5, first=5))
        produce(kafka, f"{topic}_named", numbers(5, first=10))
        await eventually(all_have_come(harness, numbers(15), "P"), 20)
        produce(kafka, f"{topic}-a", numbers(5, first=15))
        await eventually(all_have_come(harness, numbers(20), "P"), 20)


async def test_topics_with_an_expression_resume_where_they_were(kafka, topic):
    config = {"topic": f"^{topic}-.*", "refresh_topics": 0.5, "start": "offset:2"}
    produce(kafka, f"{topic}-a", numbers(8))
    expected = numbers(4, first=4)
    async with Harness() as harness:
        harness.chain(source(kafka, topic, **config), id="P")
        await eventually(all_have_come(harness, expected, "P"), 20)
    produce(kafka, f"{topic}-a", [b"new"])
    async with Harness() as harness:
        harness.chain(source(kafka, topic, **config), id="P")
        await eventually(all_have_come(harness, [b"new"], "P"), 20)


async def test_what_is_held_back_for_too_long_is_given_away_and_read_by_the_next_owner(
    kafka, topic
):
    """Nothing is lost; only what was taken and not yet written comes twice."""
    make_topic(kafka, topic, 2)
    produce(kafka, topic, numbers(200))
    config = {"buffer_size": 10, "revoke_timeout": 0.5}
    async with Harness() as harness:
        first = harness.chain(source(kafka, topic, **config), held(harness), id="First")
        await eventually(lambda: partitions_of(first) == [2], 20)
        # Longer than it takes to pause partitions: they must not stay paused when they come back.
        await harness.app.Clock.sleep(0.6)
        second = harness.chain(source(kafka, topic, **config), id="Second")
        await eventually(lambda: partitions_of(first, second) == [1, 1], 20)
        assert [r for r in harness.logs if "given away unacknowledged" in r.getMessage()]
        harness.is_held = False

        def all_are_there():
            found = harness.out("First.Out") + harness.out("Second.Out")
            assert set(found) == set(numbers(200))
            return len(found)

        assert await eventually(all_are_there, 20) <= 210


async def test_what_is_written_in_time_is_not_read_by_the_next_owner(kafka, topic):
    make_topic(kafka, topic, 2)
    produce(kafka, topic, numbers(200))
    config = {"buffer_size": 10, "revoke_timeout": 20}
    async with Harness() as harness:
        first = harness.chain(source(kafka, topic, **config), held(harness), id="First")
        await eventually(lambda: partitions_of(first) == [2], 20)
        await harness.app.Clock.sleep(0.6)
        second = harness.chain(source(kafka, topic, **config), id="Second")
        await harness.app.Clock.sleep(1)
        assert partitions_of(first, second) == [2, 0]
        harness.is_held = False
        await eventually(lambda: partitions_of(first, second) == [1, 1], 20)
        await eventually(all_have_come(harness, numbers(200), "First", "Second"), 20)


async def test_a_topic_that_there_is_not_yet_is_waited_for(kafka, topic):
    produce(kafka, topic, numbers(5))
    async with Harness() as harness:
        config = {"topic": f"{topic} {topic}-later", "refresh_topics": 0.5}
        harness.chain(source(kafka, topic, **config), id="P")
        await eventually(all_have_come(harness, numbers(5), "P"), 20)
        produce(kafka, f"{topic}-later", numbers(5, first=5))
        await eventually(all_have_come(harness, numbers(10), "P"), 20)


async def test_cooperative_members_take_over_single_partitions(kafka, topic):
    make_topic(kafka, topic, 4)
    produce(kafka, topic, numbers(100), 4)
    config = {"partition.assignment.strategy": "cooperative-sticky"}
    async with Harness() as harness:
        first = harness.chain(source(kafka, topic, **config), id="First")
        await eventually(all_have_come(harness, numbers(100), "First"), 20)
        second = harness.chain(source(kafka, topic, **config), id="Second")
        await eventually(lambda: partitions_of(first, second) == [2, 2], 20)
        produce(kafka, topic, numbers(100, first=100), 4)
        await eventually(all_have_come(harness, numbers(200), "First", "Second"), 20)


async def test_the_context_says_what_the_message_has_beside_its_value(kafka, topic):
    make_topic(kafka, topic, 2)
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap_servers})
    headers, time_ms = [("trace", b"1"), ("trace", b"2"), ("none", None)], 1_700_000_000_123
    producer.produce(topic, b"full", b"key", 1, timestamp=time_ms, headers=headers)
    producer.produce(topic, None, None, 0, timestamp=time_ms)
    assert producer.flush(20) == 0
    producer.close()
    seen = {}

    def note(context, event):
        seen[event] = dict(context)
        return event

    async with Harness() as harness:
        harness.chain(source(kafka, topic), note)
        await eventually(lambda: len(seen) == 2, 20)
    place = {"_kafka_topic": topic, "_kafka_offset": 0, "_kafka_timestamp": time_ms}
    full = {**place, "kafka_key": b"key", "kafka_headers": headers, "_kafka_partition": 1}
    empty = {**place, "kafka_key": None, "kafka_headers": None, "_kafka_partition": 0}
    for event, context in ((b"full", full), (b"", empty)):
        assert {name: seen[event].get(name) for name in context} == context


@pytest.mark.parametrize("partitions", ["", "all"], ids=["group", "partitions"])
async def test_a_time_to_start_at_is_that_of_the_messages(kafka, topic, partitions):
    make_topic(kafka, topic, 2)
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number, value in enumerate(numbers(20)):
        time_ms = 1_700_000_000_000 + number * 1000
        producer.produce(topic, value, partition=number % 2, timestamp=time_ms)
    assert producer.flush(20) == 0
    producer.close()
    # Message 13 is of 22:13:33.
    config = {"start": "2023-11-14T22:13:33Z", "partitions": partitions}
    async with Harness() as harness:
        harness.chain(source(kafka, topic, **config), id="P")
        await eventually(all_have_come(harness, numbers(7, first=13), "P"), 20)
