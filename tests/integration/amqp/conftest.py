"""Queues of their own for each test, at the broker of the session."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

aiormq = pytest.importorskip("aiormq")

from pamqp.commands import Basic  # noqa: E402

from bspump.amqp import AMQPConnection  # noqa: E402
from bspump.testing import eventually  # noqa: E402
from bspump.testing.servers import RabbitServer  # noqa: E402

_numbers = itertools.count()


class Proxy:
    """Passes on what the program and the broker say to each other, until it is cut."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break all connections, without a word."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            to_broker = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(to_broker[1])
            await asyncio.gather(self._pass(reader, to_broker[1]), self._pass(to_broker[0], writer))
        writer.close()

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


class Broker:
    """The broker, and what a test does to a queue from outside."""

    def __init__(self, server: RabbitServer, proxy: Proxy) -> None:
        self.server, self.proxy = server, proxy
        self.queue = f"queue-{next(_numbers)}"
        self.stored_events: list[Any] = []
        self.connection: Any = None
        self.channel: Any = None

    @property
    def url(self) -> str:
        """The URL of the program that is tested."""
        return f"amqp://guest:guest@127.0.0.1:{self.proxy.port}/"

    async def connect(self) -> None:
        """Open the connection of the test's own, again if it has to be."""
        if self.connection is None or self.connection.is_closed or self.channel.is_closed:
            self.connection = await aiormq.connect(self.server.url)
            self.channel = await self.connection.channel()

    async def disconnect(self) -> None:
        """Close the connection of the test's own, so that no fault meets it half-way."""
        await self.connection.close()

    async def declare(self, queue: str | None = None, **arguments: Any) -> str:
        """Declare a durable queue; it is bound to `amq.direct` by its name."""
        await self.connect()
        name = queue or self.queue
        await self.channel.queue_declare(name, durable=True, arguments=arguments)
        await self.channel.queue_bind(name, "amq.direct", name)
        return name

    async def publish(
        self, bodies: Sequence[bytes], queue: str | None = None, **named: Any
    ) -> None:
        """Publish persistent messages, and wait until they are confirmed."""
        await self.connect()
        properties = {"delivery_mode": 2, **named}
        for start in range(0, len(bodies), 1000):
            await asyncio.gather(
                *[
                    self.channel.basic_publish(
                        body,
                        routing_key=queue or self.queue,
                        properties=Basic.Properties(**properties),
                        wait=False,
                    )
                    for body in bodies[start : start + 1000]
                ]
            )

    async def write(self, events: Sequence[Any]) -> None:
        """Publish events as JSON."""
        await self.publish([json.dumps(event).encode() for event in events])

    async def count(self, queue: str | None = None) -> int:
        """Return how many messages wait in a queue and are with nobody."""
        await self.connect()
        return (await self.channel.queue_declare(queue or self.queue, passive=True)).message_count

    async def has_queue(self) -> bool:
        """Tell whether the queue exists."""
        try:
            return await self.count() >= 0
        except aiormq.exceptions.ChannelNotFoundEntity:
            return False

    async def take(self, queue: str | None = None) -> list[Any]:
        """Take all messages out of a queue."""
        messages: list[Any] = []

        async def deliver(message: Any) -> None:
            messages.append(message)

        while count := await self.count(queue):
            target = len(messages) + count
            consuming = await self.channel.basic_consume(queue or self.queue, deliver, no_ack=True)
            await eventually(lambda target=target: len(messages) >= target, 20)
            await self.channel.basic_cancel(consuming.consumer_tag)
        return messages

    async def stored(self) -> list[Any]:
        """Return all events that have ever come to the queue."""
        self.stored_events += [json.loads(message.body) for message in await self.take()]
        return self.stored_events

    def in_app(self, app: Any, **config: Any) -> AMQPConnection:
        """Return the connection of an application, the same each time."""
        service = app.PumpService
        if "Rabbit" not in service.Connections:
            options = {"url": self.url, "reconnect_delay": 0.05, "connect_timeout": 5, **config}
            service.add_connection(AMQPConnection(app, "Rabbit", options))
        return service.locate_connection("Rabbit")

    def make(self, part: Any, **config: Any) -> Callable[[Any, Any], Any]:
        """Return what makes a part that uses this broker."""
        options = {"retry.first": 0.01, **config}
        return lambda app, pipeline: part(app, pipeline, self.in_app(app), config=options)

    def source(self, part: Any, **config: Any) -> Callable[[Any, Any], Any]:
        """Return what makes a source of the queue."""
        return self.make(part, queue=self.queue, **{"codec": "json", **config})

    def sink(self, part: Any, **config: Any) -> Callable[[Any, Any], Any]:
        """Return what makes a sink whose events come to the queue."""
        return self.make(part, routing_key=self.queue, **config)


@pytest.fixture
async def broker(rabbit: RabbitServer) -> AsyncIterator[Broker]:
    async with Proxy(rabbit.port) as proxy:
        broker = Broker(rabbit, proxy)
        yield broker
        await asyncio.to_thread(rabbit.start)  # A test may have killed or paused it.
        await broker.connect()
        await broker.channel.queue_delete(broker.queue)
        await broker.connection.close()
