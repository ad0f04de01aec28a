"""Topics that are created at a real broker before the pipelines start."""

from __future__ import annotations

import uuid

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")
pytest.importorskip("confluent_kafka.admin")

import bspump  # noqa: E402
from bspump.abc.errors import ConfigError, NotConnectedError, PumpError  # noqa: E402
from bspump.kafka import (  # noqa: E402
    KafkaConnection,
    KafkaSink,
    KafkaSource,
    KafkaTopicInitializer,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def name():
    return uuid.uuid4().hex


@pytest.fixture
async def app(kafka):
    app = bspump.BSPumpApplication(args=[])
    servers = {"bootstrap_servers": kafka.bootstrap_servers}
    app.PumpService.add_connection(KafkaConnection(app, "Kafka", servers))
    return app


def described(kafka, *topics):
    """Return partitions and retention of topics."""
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    found = admin.list_topics(timeout=20).topics
    resources = [
        confluent_kafka.admin.ConfigResource(confluent_kafka.admin.ResourceType.TOPIC, topic)
        for topic in topics
    ]
    answers = admin.describe_configs(resources)
    return [
        (len(found[resource.name].partitions), answers[resource].result(20)["retention.ms"].value)
        for resource in resources
    ]


async def test_what_is_missing_is_created_as_described_and_what_is_there_stays(
    app, kafka, name, tmp_path
):
    names = [f"{name}-{letter}" for letter in "abc"]
    file = tmp_path / "topics.yaml"
    file.write_text(
        f"- topic: {names[0]}\n  num_partitions: 3\n  config: {{retention.ms: 60000}}\n"
        f"- topic: {names[1]}\n"
    )
    topics = KafkaTopicInitializer(app, "Kafka", config={"num_partitions_default": 2})
    topics.include_topics(config_file=str(file))
    assert topics.initialize_topics() == names[:2]
    assert described(kafka, *names[:2]) == [(3, "60000"), (2, "604800000")]
    topics.include_topics(topic_config={"topic": f"{names[0]},{names[2]}", "num_partitions": 5})
    assert topics.check_and_initialize() == names[2:]
    assert [partitions for partitions, _ in described(kafka, *names)] == [3, 2, 5]
    assert topics.initialize_topics() == []
    assert topics.fetch_existing_topics() >= set(names)


async def test_all_topics_of_a_pipeline_are_included_but_no_expressions(app, kafka, name):
    source = {"topic": f"{name}-in ^{name}-more-.*", "group.id": name, "num_partitions": 2}
    pipeline = bspump.Pipeline(app, "P")
    pipeline.build(
        KafkaSource(app, pipeline, "Kafka", config=source),
        KafkaSink(app, pipeline, "Kafka", config={"topic": f"{name}-out"}),
    )
    topics = KafkaTopicInitializer(app, "Kafka")
    topics.include_topics(pipeline=pipeline)
    assert topics.initialize_topics() == [f"{name}-in", f"{name}-out"]
    assert [partitions for partitions, _ in described(kafka, f"{name}-in", f"{name}-out")] == [2, 1]


@pytest.mark.parametrize(
    "wrong", [{"replication_factor": 5}, {"config": {"no.such.setting": 1}}, {"topic": "a/b"}]
)
async def test_what_the_cluster_refuses_is_said_with_the_name_of_the_topic(app, name, wrong):
    topics = KafkaTopicInitializer(app, "Kafka")
    topics.include_topics(topic_config={"topic": name, **wrong})
    with pytest.raises(PumpError, match="a/b" if "topic" in wrong else name):
        topics.initialize_topics()


async def test_a_cluster_that_is_away_is_said_to_be_away(app, name):
    away = {"bootstrap_servers": "127.0.0.1:1", "connect_timeout": 1}
    topics = KafkaTopicInitializer(app, KafkaConnection(app, "Away", away))
    topics.include_topics(topic_config={"topic": name})
    with pytest.raises(NotConnectedError, match="refused"):
        topics.initialize_topics()


async def test_a_file_of_no_use_is_refused(app, tmp_path):
    for content in ("{", "a: 1", "- 1", "- {num_partitions: 1}", "- {topic: a, num_partitions: x}"):
        file = tmp_path / "topics.yaml"
        file.write_text(content)
        with pytest.raises(ConfigError):
            KafkaTopicInitializer(app, "Kafka", config={"topics_file": str(file)})
