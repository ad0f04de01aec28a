"""The consumer acknowledges each delivery once, and refuses what is to be refused."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("aiormq")

from bspump.abc.errors import NotConnectedError
from bspump.amqp.consumer import Consumer
from bspump.amqp.sink import windows
from bspump.amqp.source import death_count


class StrictChannel:
    """Keeps the books as the broker does, and complains as it does."""

    def __init__(self) -> None:
        self.on_consumer_cancel_callbacks = set()
        self.closing = asyncio.get_running_loop().create_future()
        self.open, self.acknowledged, self.refused = set(), [], []

    async def basic_ack(self, tag, *, multiple, wait):
        assert tag in self.open, f"unknown delivery tag {tag}"
        done = sorted(one for one in self.open if one <= tag)
        self.open -= set(done)
        self.acknowledged += done

    async def basic_nack(self, tag, *, requeue, wait):
        assert tag in self.open, f"unknown delivery tag {tag}"
        self.open.discard(tag)
        self.refused.append(tag)


async def delivered(count):
    channel = StrictChannel()
    consumer = Consumer(channel, "me")
    for tag in range(1, count + 1):
        channel.open.add(tag)
        await consumer._deliver(SimpleNamespace(delivery_tag=tag))
    return channel, consumer


@given(
    st.sets(st.integers(1, 20)),
    st.lists(st.integers(1, 20), max_size=6),
)
def test_whatever_is_acknowledged_when_each_message_is_settled_once(refused, order):
    async def check():
        channel, consumer = await delivered(20)
        consumer.take(consumer.waiting(20), sorted(refused))
        for tag in order:
            await consumer.acknowledge(tag)
        done = set(range(1, max(order, default=0) + 1))
        assert set(channel.acknowledged) == done - refused
        assert set(channel.refused) == done & refused
        assert channel.open == set(range(1, 21)) - done

    asyncio.run(check())


async def test_what_waits_stays_until_it_is_taken():
    _, consumer = await delivered(3)
    first = consumer.waiting(2)
    assert consumer.waiting(2) == first
    assert consumer.take(first, []) == {"consumer": "me", "tag": 2}
    assert [message.delivery_tag for message in consumer.waiting(2)] == [3]


async def test_after_the_end_there_is_nothing_and_nothing_can_be_acknowledged():
    channel, consumer = await delivered(3)
    messages = consumer.waiting(3)
    channel.closing.set_exception(ConnectionError("gone"))
    await asyncio.wait([channel.closing])
    with pytest.raises(NotConnectedError, match="gone"):
        await consumer.wait(60)
    assert consumer.waiting(3) == []
    assert consumer.take(messages, [])["tag"] == 3
    with pytest.raises(NotConnectedError):
        await consumer.acknowledge(3)


async def test_a_queue_that_is_deleted_wakes_who_waits():
    channel, consumer = await delivered(0)
    waiting = asyncio.gather(consumer.wait(60), return_exceptions=True)
    await asyncio.wait([waiting], timeout=0)
    (ended,) = channel.on_consumer_cancel_callbacks
    ended(None)
    (error,) = await waiting
    assert isinstance(error, NotConnectedError)


@pytest.mark.parametrize(
    ("headers", "count"),
    [
        ({}, 0),
        ({"x-death": [{"count": 2}, {"count": 3}]}, 5),
        ({"x-death": [{}]}, 1),
        ({"x-death": "nonsense"}, 0),
        ({"x-death": ["nonsense", {"count": "many"}]}, 0),
    ],
)
def test_deaths_are_counted_whatever_the_header_holds(headers, count):
    assert death_count(headers) == count


@given(st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=30))
def test_windows_keep_the_order_and_have_no_id_twice(ids):
    messages = {
        i: SimpleNamespace(properties=SimpleNamespace(message_id=one)) for i, one in enumerate(ids)
    }
    cut = list(windows(messages))
    assert [index for window in cut for index in window] == list(range(len(ids)))
    for window in cut:
        used = [m.properties.message_id for m in window.values() if m.properties.message_id]
        assert len(used) == len(set(used))
