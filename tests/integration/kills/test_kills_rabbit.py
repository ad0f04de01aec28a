"""RabbitMQ to PostgreSQL: every event exactly once, whatever kills the program."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from feeding import Feeder, assert_each_once, event
from killing import AT_CHECKPOINTS, KILLS, Killing

aiormq = pytest.importorskip("aiormq")

from pamqp.commands import Basic  # noqa: E402


class Queue:
    """A durable queue, with a publisher of numbered events in a loop of its own."""

    def __init__(self, url: str) -> None:
        self.name = uuid.uuid4().hex
        self._runner = asyncio.Runner()
        self._runner.run(self._open(url))

    async def _open(self, url: str) -> None:
        self._connection = await aiormq.connect(url)
        self._channel = await self._connection.channel(publisher_confirms=True)
        await self._channel.queue_declare(self.name, durable=True)

    def send(self, first: int, count: int) -> None:
        """Publish persistent messages with ids; they are safe when all are confirmed."""
        self._runner.run(self._publish(range(first, first + count)))

    async def _publish(self, numbers: range) -> None:
        await asyncio.gather(*map(self._publish_one, numbers))

    async def _publish_one(self, number: int) -> None:
        await self._channel.basic_publish(
            json.dumps(event(number)).encode(),
            routing_key=self.name,
            properties=Basic.Properties(delivery_mode=2, message_id=str(number)),
        )

    def count(self) -> int:
        """Return how many messages wait and are with nobody."""
        declared = self._runner.run(self._channel.queue_declare(self.name, passive=True))
        return int(declared.message_count)

    def close(self) -> None:
        """Delete the queue."""
        self._runner.run(self._channel.queue_delete(self.name))
        self._runner.run(self._connection.close())
        self._runner.close()


@pytest.fixture
def queue(rabbit: Any) -> Any:
    queue = Queue(rabbit.url)
    yield queue
    queue.close()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.fault("AMQPSource", "program killed")
def test_rabbitmq_to_postgresql_is_exactly_once(
    queue: Any, rabbit: Any, table: Any, tmp_path: Path
) -> None:
    source = {
        "kind": "rabbit",
        "connection": {"url": rabbit.url},
        "queue": queue.name,
        "message_id": "require",
    }
    killing = Killing(source, table.sink(), tmp_path)
    with Feeder(queue.send, every_s=0.02) as feeder:
        killing.run(kills=KILLS - AT_CHECKPOINTS)
        killing.run_to_checkpoints(kills=AT_CHECKPOINTS)
    killing.finish(lambda: table.count() >= feeder.sent)
    assert killing.kills == KILLS
    assert_each_once(table.rows(), feeder.sent)
    # What has arrived was acknowledged: nothing goes back to the queue.
    assert queue.count() == 0
