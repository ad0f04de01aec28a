"""Codecs and schemas of Kafka parts, as far as no broker is needed."""

from __future__ import annotations

import pytest

pytest.importorskip("confluent_kafka")
pytest.importorskip("fastavro")

from bspump.abc.errors import ConfigError, RejectedError, UnknownNameError
from bspump.core.application import BSPumpApplication
from bspump.core.pipeline import Pipeline
from bspump.kafka import KafkaConnection, KafkaSink, KafkaSource, SchemaRegistryConnection


@pytest.fixture
async def make():
    """Return what makes a part with options."""
    app = BSPumpApplication(args=["--set", "[kafka] bootstrap.servers=localhost:1"])
    connection = KafkaConnection(app, "K")
    registry = SchemaRegistryConnection(app, "R", {"url": "http://localhost:1"})
    app.PumpService.add_connection(registry)

    def make(kind, **config):
        part = kind(app, Pipeline(app, f"P{len(config)}{kind.__name__}"), connection, config=config)
        assert app.Config.problems == []
        return part

    return make


def test_without_a_codec_events_are_bytes_text_or_json(make):
    sink = make(KafkaSink, topic="t")
    found = [sink.record({}, event).value for event in (b"\x00", "ü", {"a": 1}, [1])]
    assert found == [b"\x00", "ü".encode(), b'{"a":1}', b"[1]"]
    with pytest.raises(RejectedError, match="bytes, text, a dict or a list"):
        sink.record({}, 7)


def test_a_codec_makes_the_value_and_the_context_the_rest(make):
    sink = make(KafkaSink, topic="t", codec="avro", **{"schema.text": '"int"'})
    record = sink.record({"kafka_topic": "u", "kafka_key": b"k"}, 5)
    assert (record.topic, record.value, record.key) == ("u", b"\n", b"k")
    with pytest.raises(RejectedError, match="avro"):
        sink.record({}, "five")


@pytest.mark.parametrize("kind", [KafkaSink, KafkaSource])
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"codec": "avro"}, "a schema is needed"),
        ({"codec": "avro", "schema.text": "{"}, "the schema is no use"),
        ({"codec": "json", "schema.file": "x"}, "for avro and protobuf"),
        ({"schema.registry": "R"}, "for avro and protobuf"),
        ({"codec": "avro", "schema.registry": "R", "schema.register": "yes"}, "to register"),
    ],
)
def test_a_schema_that_does_not_fit_is_refused_at_once(make, kind, config, said):
    with pytest.raises(ConfigError, match=said):
        make(kind, topic="t", **config)


@pytest.mark.parametrize("kind", [KafkaSink, KafkaSource])
def test_names_that_there_are_not_are_refused_at_once(make, kind):
    with pytest.raises(UnknownNameError, match="'arvo'"):
        make(kind, topic="t", codec="arvo")
    with pytest.raises(ConfigError, match="'Registri'"):
        make(kind, topic="t", codec="avro", **{"schema.registry": "Registri"})
