"""What becomes of messages: values, contexts made when somebody asks, and the next offsets."""

from __future__ import annotations

import pytest

pytest.importorskip("confluent_kafka")

from bspump.kafka.messages import Columns, MessageContexts


class Message:
    """Has the methods that are read of a message of the client."""

    def __init__(self, topic, partition, offset, value=b"v", time=(1, 1_700_000_000_000)):
        self._fields = (value, b"key", [("h", b"1")], topic, partition, offset, time)

    def value(self):
        return self._fields[0]

    def key(self):
        return self._fields[1]

    def headers(self):
        return self._fields[2]

    def topic(self):
        return self._fields[3]

    def partition(self):
        return self._fields[4]

    def offset(self):
        return self._fields[5]

    def timestamp(self):
        return self._fields[6]


@pytest.fixture
def columns():
    made = Columns()
    made.value, made.key, made.header = Message.value, Message.key, Message.headers
    made.topic, made.partition = Message.topic, Message.partition
    made.offset, made.timestamp = Message.offset, Message.timestamp
    return made


def test_a_message_without_a_value_is_empty(columns):
    messages = [Message("t", 0, 1), Message("t", 0, 2, None), Message("t", 0, 3, b"")]
    assert columns.values(messages) == [b"v", b"", b""]


def test_reading_goes_on_after_the_last_message_of_each_partition(columns):
    messages = [Message("a", 0, 4), Message("b-0", 0, 7), Message("a", 0, 6), Message("a", 1, 1)]
    assert columns.after(messages) == {"a-0": 7, "b-0-0": 8, "a-1": 2}


def test_contexts_say_where_a_message_was_and_are_each_their_own(columns):
    messages = [Message("t", 3, 1), Message("t", 3, 2, time=(0, -1))]
    contexts = MessageContexts(columns, messages)
    assert len(contexts) == 2
    contexts[0]["seen"] = True
    first = {
        "kafka_key": b"key",
        "kafka_headers": [("h", b"1")],
        "_kafka_topic": "t",
        "_kafka_partition": 3,
        "_kafka_offset": 1,
        "_kafka_timestamp": 1_700_000_000_000,
    }
    second = {**first, "_kafka_offset": 2, "_kafka_timestamp": None}
    assert list(contexts) == [{**first, "seen": True}, second]
    assert list(contexts.once()) == [{**first, "seen": True}, second]


def test_a_part_of_contexts_has_its_share_and_nothing_that_is_made_on_the_way_stays(columns):
    contexts = MessageContexts(columns, [Message("t", 0, number) for number in range(5)])
    for context in contexts.once():
        context["seen"] = True
    assert [each["_kafka_offset"] for each in contexts.part(1, 3)] == [1, 2]
    assert not any("seen" in each for each in contexts)
