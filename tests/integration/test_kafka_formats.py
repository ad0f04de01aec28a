"""Avro and Protobuf through a real broker, with a real registry of schemas."""

from __future__ import annotations

import functools
import json
import uuid

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")
pytest.importorskip("fastavro")
pytest.importorskip("grpc_tools.protoc")

from protobuf_schema import SOURCE  # noqa: E402

from bspump.abc.errors import ConfigError, RejectedError  # noqa: E402
from bspump.formats.wire_format import header, id_of  # noqa: E402
from bspump.kafka import (  # noqa: E402
    KafkaConnection,
    KafkaSink,
    KafkaSource,
    SchemaRegistryConnection,
)
from bspump.testing import eventually  # noqa: E402
from bspump.testing.harness import Harness  # noqa: E402

pytestmark = pytest.mark.integration


@pytest.fixture
def topic():
    return uuid.uuid4().hex


@pytest.fixture
def part(kafka, registry, topic):
    """Return a function that returns what makes a source or a sink."""

    def part(kind, **config):
        def make(app, pipeline):
            service = app.PumpService
            if "Kafka" not in service.Connections:
                servers = {"bootstrap_servers": kafka.bootstrap_servers}
                service.add_connection(KafkaConnection(app, "Kafka", servers))
                # A request at a time when the registry is away should fail at once.
                place = {"url": registry.url, "timeout.total": 2}
                service.add_connection(SchemaRegistryConnection(app, "Registry", place))
            group = {"group.id": topic} if kind is KafkaSource else {}
            options = {"topic": topic, "retry.first": 0.05, "retry.longest": 0.2, **group}
            given = {"codec": "avro", "schema.registry": "Registry", **config}
            return kind(app, pipeline, "Kafka", config={**options, **given})

        return functools.partial(make)

    return part


def schema(topic, *fields):
    """Return the text of a schema whose name nobody else has."""
    record = {"type": "record", "name": f"R{topic}", "fields": list(fields)}
    return json.dumps(record)


NUMBER = {"name": "number", "type": "int"}
TEXT = {"name": "text", "type": "string", "default": "none"}


def numbers(count, first=0):
    return [{"number": number} for number in range(first, first + count)]


def by_number(events):
    return sorted(events, key=lambda event: event["number"])


def values_of(kafka, topic, count):
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    values = []
    while len(values) < count:
        message = consumer.poll(20)
        assert message is not None
        if message.error() is None:
            values.append(message.value())
    consumer.close()
    return values


def produce(kafka, topic, *values):
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(20) == 0
    producer.close()


async def written(part, events, **config):
    async with Harness() as harness:
        harness.chain(part(KafkaSink, **config))
        harness.send(events)
        await harness.finish()


async def test_events_of_two_schemas_of_avro_come_back(kafka, part, topic):
    older, newer = schema(topic, NUMBER), schema(topic, NUMBER, TEXT)
    await written(part, numbers(5), **{"schema.text": older, "schema.register": True})
    more = [{"number": 5, "text": "ü"}]
    await written(part, more, **{"schema.text": newer, "schema.register": "yes"})
    assert len({id_of(value) for value in values_of(kafka, topic, 6)}) == 2
    async with Harness() as harness:
        harness.chain(part(KafkaSource), id="Written")
        own = {"group.id": f"{topic}-own", "schema.text": newer}
        harness.chain(part(KafkaSource, **own), id="Own")
        await eventually(lambda: by_number(harness.out("Written.Out")) == [*numbers(5), *more], 20)
        expected = [{**event, "text": "none"} for event in numbers(5)] + more
        await eventually(lambda: by_number(harness.out("Own.Out")) == expected, 20)


async def test_events_are_written_with_what_is_registered_already(part, topic):
    text = schema(topic, NUMBER)
    await written(part, numbers(1), **{"schema.text": text, "schema.register": True})
    await written(part, numbers(1, first=1))
    await written(part, numbers(1, first=2), **{"schema.text": text})
    async with Harness() as harness:
        harness.chain(part(KafkaSource))
        await eventually(lambda: by_number(harness.out()) == numbers(3), 20)


async def test_an_event_that_does_not_fit_is_rejected_alone(part, topic):
    async with Harness() as harness:
        config = {"schema.text": schema(topic, NUMBER), "schema.register": True}
        harness.chain(part(KafkaSink, **config), config={"on_error": "skip"})
        harness.send([*numbers(5), {"number": "five"}, *numbers(5, first=5)])
        await harness.settle()
        assert harness.counts()["event.fail"] == 1
    async with Harness() as harness:
        harness.chain(part(KafkaSource))
        await eventually(lambda: by_number(harness.out()) == numbers(10), 20)


async def test_a_message_that_cannot_be_decoded_is_rejected_alone(kafka, part, topic):
    await written(
        part, numbers(2), **{"schema.text": schema(topic, NUMBER), "schema.register": True}
    )
    (first, _) = values_of(kafka, topic, 2)
    broken = [b"{}", header(999_999) + b"x", first[:5], first + b"more"]
    produce(kafka, topic, *broken)
    async with Harness() as harness:
        harness.chain(part(KafkaSource), config={"on_error": "skip"})
        await eventually(lambda: len(harness.errors) == len(broken), 20)
        await eventually(lambda: by_number(harness.out()) == numbers(2), 20)
        assert {type(failure.error) for failure in harness.errors} == {RejectedError}


async def test_protobuf_comes_back_by_the_registry_and_by_a_type_of_ones_own(
    kafka, part, topic, tmp_path
):
    # A package of its own, for a schema of its own.
    source = SOURCE.replace("package shop;", f"package p{topic};")
    file = tmp_path / "order.proto"
    file.write_text(source)
    config = {"codec": "protobuf", "schema.message": f"p{topic}.Order", "schema.file": str(file)}
    await written(part, [{"id": "o1", "cents": 5}], **config, **{"schema.register": True})
    (value,) = values_of(kafka, topic, 1)
    assert value[5:] == b"\x02\x02\x0a\x02o1\x10\x05"
    async with Harness() as harness:
        harness.chain(part(KafkaSource, codec="protobuf"), id="Registry")
        own = {**config, "group.id": f"{topic}-own"}
        harness.chain(part(KafkaSource, **own), id="Own")
        for name in ("Registry.Out", "Own.Out"):
            await eventually(lambda name=name: [e["id"] for e in harness.out(name)] == ["o1"], 20)
            assert harness.out(name)[0]["cents"] == 5


async def test_avro_without_a_registry_is_the_bare_value(kafka, part, topic):
    config = {"schema.registry": "", "schema.text": schema(topic, NUMBER)}
    await written(part, numbers(1, first=3), **config)
    assert values_of(kafka, topic, 1) == [b"\x06"]
    async with Harness() as harness:
        harness.chain(part(KafkaSource, **config))
        await eventually(lambda: harness.out() == numbers(1, first=3), 20)


async def test_a_subject_that_there_is_not_stops_the_pipeline_and_loses_nothing(part, topic):
    async with Harness() as harness:
        pipeline = harness.chain(part(KafkaSink))
        harness.send(numbers(3))
        await eventually(pipeline.has_error, 20)
        assert isinstance(harness.errors[-1].error, ConfigError)
        assert f"{topic}-value" in str(harness.errors[-1].error)
        registered = {"schema.text": schema(topic, NUMBER), "schema.register": True}
        await written(part, numbers(1, first=3), **registered)
        pipeline.set_error(None, None, None)
        await harness.settle()
    async with Harness() as harness:
        harness.chain(part(KafkaSource))
        await eventually(lambda: by_number(harness.out()) == numbers(4), 20)


async def test_each_topic_has_a_subject_of_its_own(part, topic):
    text = schema(topic, NUMBER)
    config = {"schema.text": text, "schema.register": True}
    async with Harness() as harness:
        harness.chain(part(KafkaSink, **config))
        harness.send(numbers(2), contexts=[{}, {"kafka_topic": f"{topic}-b"}])
        await harness.finish()
        registry = harness.app.PumpService.locate_connection("Registry")
        for name in (topic, f"{topic}-b"):
            assert (await registry.version(f"{name}-value", "latest")).id > 0


async def test_a_registry_that_is_away_costs_no_event(registry, part, topic):
    """Both the source and the sink wait for it; their places in the group and at Kafka stay."""
    config = {"schema.text": schema(topic, NUMBER), "schema.register": True}
    await written(part, numbers(20), **config)
    registry.pause()
    try:
        async with Harness() as harness:
            pipeline = harness.chain(part(KafkaSource))
            harness.chain(part(KafkaSink, **config), id="Sink")
            harness.send(numbers(20, first=20), to="Sink.*In")
            await eventually(
                lambda: len([r for r in harness.logs if "schema registry" in _shown(r)]) >= 2, 30
            )
            assert harness.out("Out") == []
            assert len(pipeline.Sources[0].rest_get()["partitions"]) == 4
            registry.resume()
            await eventually(lambda: by_number(harness.out("Out")) == numbers(40), 40)
    finally:
        registry.resume()


def _shown(record):
    return f"{record.getMessage()} {getattr(record, 'fields', '')}"


async def test_partitions_that_wait_for_the_registry_can_be_given_away(registry, part, topic):
    config = {"schema.text": schema(topic, NUMBER), "schema.register": True}
    await written(part, numbers(40), **config)
    registry.pause()
    try:
        async with Harness() as harness:
            first = harness.chain(part(KafkaSource), id="First")
            await eventually(lambda: len(first.Sources[0].rest_get()["partitions"]) == 4, 20)
            second = harness.chain(part(KafkaSource), id="Second")
            sources = [first.Sources[0], second.Sources[0]]
            await eventually(
                lambda: [len(s.rest_get()["partitions"]) for s in sources] == [2, 2], 30
            )
            registry.resume()

            def all_have_come_once():
                found = by_number(harness.out("First.Out") + harness.out("Second.Out"))
                assert found == numbers(40)
                return True

            await eventually(all_have_come_once, 20)
    finally:
        registry.resume()
