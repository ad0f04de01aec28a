"""The real broker knows transactions; the mock cluster fails as told."""

from __future__ import annotations

import uuid

import pytest

from bspump.testing.servers import MockKafka, ServerError

confluent_kafka = pytest.importorskip("confluent_kafka")

pytestmark = pytest.mark.integration

PRODUCE = 0
NOT_LEADER = 6
MESSAGE_TOO_LARGE = 10
TOPIC_AUTHORIZATION_FAILED = 29


@pytest.fixture
def topic():
    return uuid.uuid4().hex


def producer_for(server, **settings):
    return confluent_kafka.Producer(
        {"bootstrap.servers": server.bootstrap_servers, "linger.ms": 0, **settings}
    )


def deliver(producer, topic, value="x"):
    """Return the error with which a message was delivered, None for none."""
    errors = []
    producer.produce(topic, value, partition=0, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(20) == 0
    return errors[0]


def test_the_real_broker_hides_what_was_aborted_and_keeps_the_offsets_of_a_transaction(
    kafka, topic
):
    producer = producer_for(kafka, **{"transactional.id": topic})
    producer.init_transactions(20)
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": topic,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    place = confluent_kafka.TopicPartition(topic, 0, 7)
    for value, finish in [("no", producer.abort_transaction), ("yes", None)]:
        producer.begin_transaction()
        producer.produce(topic, value, partition=0)
        assert producer.flush(20) == 0
        if finish is not None:
            finish(20)
    producer.send_offsets_to_transaction([place], consumer.consumer_group_metadata(), 20)
    producer.commit_transaction(20)
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    values = []
    while (message := consumer.poll(20)) is not None and not message.error():
        values.append(message.value())
    (committed,) = consumer.committed([place], 20)
    consumer.close()
    assert values == [b"yes"]
    assert committed.offset == 7


def test_the_mock_delivers_once_a_broker_is_up_again(kafka_mock, topic):
    kafka_mock.create_topic(topic)
    producer = producer_for(kafka_mock)
    assert deliver(producer, topic) is None
    kafka_mock.broker_down()
    producer.produce(topic, "later", partition=0)
    assert producer.flush(0.3) == 1
    kafka_mock.broker_up()
    assert producer.flush(20) == 0


def test_the_mock_answers_with_the_errors_it_was_given(kafka_mock, topic):
    kafka_mock.create_topic(topic)
    producer = producer_for(kafka_mock)
    kafka_mock.forget_requests()
    kafka_mock.push_errors(PRODUCE, NOT_LEADER, NOT_LEADER)
    assert deliver(producer, topic) is None
    produced = [api_key for _, api_key in kafka_mock.requests() if api_key == PRODUCE]
    assert len(produced) == 3
    kafka_mock.push_errors(PRODUCE, MESSAGE_TOO_LARGE)
    assert deliver(producer, topic).code() == MESSAGE_TOO_LARGE
    kafka_mock.push_errors(PRODUCE, MESSAGE_TOO_LARGE)
    kafka_mock.clear_errors(PRODUCE)
    assert deliver(producer, topic) is None


def test_the_mock_moves_leaders_and_coordinators(kafka_mock, topic):
    kafka_mock.create_topic(topic, partitions=2, replicas=3)
    kafka_mock.set_coordinator("group", topic, 2)
    for leader in (1, 3):
        kafka_mock.set_leader(topic, 0, leader)
        metadata = producer_for(kafka_mock).list_topics(topic, 20)
        assert metadata.topics[topic].partitions[0].leader == leader
    with pytest.raises(ServerError, match="partition_set_leader"):
        kafka_mock.set_leader(topic, 9, 1)


def test_the_mock_delays_its_answers(kafka_mock, topic):
    kafka_mock.create_topic(topic)
    producer = producer_for(kafka_mock)
    assert deliver(producer, topic) is None
    kafka_mock.set_rtt(500)
    try:
        producer.produce(topic, "slow", partition=0)
        assert producer.flush(0.3) == 1
        assert producer.flush(20) == 0
    finally:
        kafka_mock.set_rtt(0)


def test_the_mock_fails_a_topic(kafka_mock, topic):
    kafka_mock.create_topic(topic)
    kafka_mock.set_topic_error(topic, TOPIC_AUTHORIZATION_FAILED)
    metadata = producer_for(kafka_mock).list_topics(topic, 20)
    assert metadata.topics[topic].error.code() == TOPIC_AUTHORIZATION_FAILED


def test_the_mock_is_killed_paused_and_empty_when_it_comes_back(topic):
    with MockKafka(broker_count=1) as mock:
        mock.create_topic(topic)
        assert topic in producer_for(mock).list_topics(timeout=20).topics
        mock.pause()
        assert not mock.is_ready(0.2)
        mock.resume()
        assert mock.is_ready()
        mock.kill()
        assert not mock.is_ready()
        mock.start()
        assert len(mock.bootstrap_servers.split(",")) == 1
        assert topic not in producer_for(mock).list_topics(timeout=20).topics
