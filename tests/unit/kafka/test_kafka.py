"""Options of Kafka parts, and the parts that need no broker."""

from __future__ import annotations

import pytest

pytest.importorskip("confluent_kafka")

from bspump.abc.errors import ConfigError, ProcessingError
from bspump.core.application import BSPumpApplication
from bspump.core.pipeline import Pipeline
from bspump.kafka import KafkaConnection, KafkaKeyFilter, KafkaSource, KafkaTopicInitializer
from bspump.kafka.assigned import parse_partitions
from bspump.kafka.start import Start, parse_start


@pytest.fixture
async def app():
    return BSPumpApplication(args=["--set", "[kafka] bootstrap.servers=localhost:1"])


def problems(app):
    return [str(problem) for problem in app.Config.problems]


@pytest.mark.parametrize("key", ["bootstrap_servers", "bootstrap.servers"])
async def test_both_spellings_say_where_the_brokers_are(app, key):
    connection = KafkaConnection(app, "K", {key: "broker:9092"})
    assert connection.Options.bootstrap_servers == "broker:9092"
    assert problems(app) == []


async def test_the_section_kafka_is_read_where_the_connection_says_nothing(app):
    assert KafkaConnection(app, "K").Options.bootstrap_servers == "localhost:1"


async def test_properties_of_librdkafka_reach_the_client_under_their_names(app):
    connection = KafkaConnection(app, "K", {"sasl_username": "joe", "socket.timeout.ms": "5000"})
    assert connection.settings({})["sasl.username"] == "joe"
    assert connection.settings({})["socket.timeout.ms"] == "5000"
    assert problems(app) == []


async def test_a_property_that_there_is_not_is_reported_with_the_one_that_was_meant(app):
    KafkaConnection(app, "K", {"sasl.pasword": "very-secret"})
    (problem,) = problems(app)
    assert "sasl.password" in problem
    assert "very-secret" not in problem


async def test_a_value_that_librdkafka_does_not_take_is_reported(app):
    KafkaConnection(app, "K", {"security.protocol": "carrier-pigeon"})
    (problem,) = problems(app)
    assert "security.protocol" in problem


async def test_offsets_cannot_be_committed_behind_the_back_of_the_engine(app):
    connection = KafkaConnection(app, "K")
    KafkaSource(app, Pipeline(app, "P"), connection, config={"enable.auto.commit": "true"})
    (problem,) = problems(app)
    assert "expected: false, always" in problem


async def test_keys_are_filtered_as_text_or_bytes(app):
    keys = KafkaKeyFilter(app, Pipeline(app, "P"), ["a", b"b"])
    assert [keys.process({"kafka_key": key}, 1) for key in (b"a", "b", b"c", None)] == [
        1,
        1,
        None,
        None,
    ]
    with pytest.raises(ProcessingError):
        keys.process({}, 1)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", None),
        ("earliest", None),
        ("latest", Start()),
        ("offset:7", Start(offset=7)),
        ("1970-01-01T00:00:01Z", Start(time_ms=1000)),
    ],
)
def test_a_start_is_an_end_an_offset_or_a_time(text, start):
    assert parse_start(text) == start


def test_a_start_that_cannot_be_understood_is_an_error():
    with pytest.raises(ConfigError, match="offset:N"):
        parse_start("yesterday")


async def test_topics_are_included_from_files_and_options(app, tmp_path):
    file = tmp_path / "topics.yaml"
    file.write_text("- topic: a\n  num_partitions: 3\n  config: {retention.ms: 5}\n")
    topics = KafkaTopicInitializer(app, KafkaConnection(app, "K"))
    topics.include_topics(config_file=str(file), topic_config={"topic": "b,c ^d.*"})
    assert sorted(topics.RequiredTopics) == ["a", "b", "c"]
    assert topics.RequiredTopics["a"] == {
        "num_partitions": 3,
        "replication_factor": 1,
        "config": {"retention.ms": "5"},
    }


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("all", None), (" All ", None), ("3", {3}), ("0, 2-4 ,9", {0, 2, 3, 4, 9})],
)
def test_partitions_are_all_or_numbers(text, numbers):
    assert parse_partitions(text) == numbers


@pytest.mark.parametrize("text", ["a", "1,", "-1", "1-", "0;2", "topic:1", "5-2"])
def test_partitions_that_cannot_be_understood_are_an_error(text):
    with pytest.raises(ConfigError, match="expected `all` or numbers"):
        parse_partitions(text)
