"""Where events go to in tests of faults: each behind a proxy, and to be paused, killed, refused."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kafka_reading import committed

from bspump.testing.proxy import TcpProxy

QUICK = {"retry.first": 0.01, "retry.longest": 0.2, "batch.max_events": 50, "batch.max_age": 0.02}
_numbers = itertools.count()


class Destination:
    """A server, and what a test does to it.

    Attributes:
        proxy: stands between the program and the server.
        is_exact: every event arrives once, whatever happens.
    """

    is_exact = False

    def __init__(self, proxy: TcpProxy) -> None:
        self.proxy = proxy

    def sink(self, app: Any, pipeline: Any) -> Any:
        """Return the sink that writes to it."""
        raise NotImplementedError

    async def arrived(self) -> list[int]:
        """Return the numbers of the events that have arrived, in their order."""
        raise NotImplementedError

    async def pause(self) -> None:
        """Let it stand still, with its connections open."""

    async def resume(self) -> None:
        """Undo `pause`."""

    async def kill(self) -> None:
        """Let it end at once."""

    async def start(self) -> None:
        """Undo `kill`."""

    async def refuse(self) -> None:
        """Let it refuse what is written."""

    async def accept(self) -> None:
        """Undo `refuse`."""


class Web(Destination):
    """An HTTP server that takes events as lines of JSON."""

    def __init__(self, proxy: TcpProxy) -> None:
        super().__init__(proxy)
        self._numbers: list[int] = []
        self._is_refusing = False
        self._going = asyncio.Event()
        self._going.set()

    async def handle(self, request: Any) -> Any:
        """Answer a request."""
        from aiohttp import web

        body = await request.read()
        await self._going.wait()
        if self._is_refusing:
            return web.Response(status=503)
        self._numbers += [json.loads(line)["number"] for line in body.splitlines()]
        return web.Response()

    def sink(self, app: Any, pipeline: Any) -> Any:
        from bspump.http import HTTPClientSink

        url = f"http://127.0.0.1:{self.proxy.port}/"
        return HTTPClientSink(app, pipeline, config={"url": url, "timeout.read": 0.3, **QUICK})

    async def arrived(self) -> list[int]:
        return self._numbers

    async def pause(self) -> None:
        self._going.clear()

    async def resume(self) -> None:
        self._going.set()

    async def refuse(self) -> None:
        self._is_refusing = True

    async def accept(self) -> None:
        self._is_refusing = False


@asynccontextmanager
async def web_destination(_: Any) -> AsyncIterator[Destination]:
    """Run an HTTP server."""
    from aiohttp import web

    application = web.Application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.05)
    async with TcpProxy(0) as proxy:
        destination = Web(proxy)
        application.router.add_post("/", destination.handle)
        await runner.setup()

        async def start() -> None:
            await web.TCPSite(runner, "127.0.0.1", proxy.target_port).start()
            proxy.target_port = runner.addresses[0][1]

        async def kill() -> None:
            for site in list(runner.sites):
                await site.stop()
            proxy.cut()

        destination.start, destination.kill = start, kill  # type: ignore[method-assign]
        await start()
        yield destination
        await destination.resume()
        await runner.cleanup()


class Stream(Destination):
    """A TCP server that takes events as lines of JSON."""

    def __init__(self, proxy: TcpProxy) -> None:
        super().__init__(proxy)
        self.numbers: list[int] = []
        self._server: asyncio.Server | None = None
        self._going = asyncio.Event()
        self._going.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read a connection to its end."""
        while line := await reader.readline():
            await self._going.wait()
            self.numbers.append(json.loads(line)["number"])
        writer.close()

    def sink(self, app: Any, pipeline: Any) -> Any:
        from bspump.ipc import StreamClientSink

        address = f"127.0.0.1 {self.proxy.port}"
        config = {"address": address, "framing": "line", **QUICK}
        return StreamClientSink(app, pipeline, config=config)

    def encode(self, event: Any) -> bytes:
        """Return an event as the sink takes it."""
        return json.dumps(event).encode()

    async def arrived(self) -> list[int]:
        return self.numbers

    async def pause(self) -> None:
        self._going.clear()

    async def resume(self) -> None:
        self._going.set()


@asynccontextmanager
async def stream_destination(_: Any) -> AsyncIterator[Destination]:
    """Run a TCP server."""
    async with TcpProxy(0) as proxy:
        destination = Stream(proxy)
        server = await asyncio.start_server(destination.serve, "127.0.0.1", 0)
        proxy.target_port = server.sockets[0].getsockname()[1]
        yield destination
        server.close()
    await server.wait_closed()


class OfServer(Destination):
    """A destination at a real server of the session."""

    def __init__(self, proxy: TcpProxy, server: Any) -> None:
        super().__init__(proxy)
        self.server = server

    async def pause(self) -> None:
        await asyncio.to_thread(self.server.pause)

    async def resume(self) -> None:
        await asyncio.to_thread(self.server.resume)

    async def kill(self) -> None:
        await asyncio.to_thread(self.server.kill)

    async def start(self) -> None:
        await asyncio.to_thread(self.server.start)


class Table(OfServer):
    """A table of PostgreSQL, written exactly once."""

    is_exact = True
    name = "bspump_faults"

    def execute(self, statement: str, db: str = name) -> list[tuple[Any, ...]]:
        """Run a statement; return its rows."""
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self.server.port, user="postgres", dbname=db, autocommit=True
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def create(self) -> None:
        """Make an empty table in a database of its own."""
        self.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)", "postgres")
        self.execute(f"CREATE DATABASE {self.name}", "postgres")
        self.execute("CREATE TABLE items (number bigint, pad text, at serial)")

    def sink(self, app: Any, pipeline: Any) -> Any:
        from bspump.postgresql import PostgreSQLConnection, PostgreSQLSink

        config = {
            **{"host": "127.0.0.1", "port": self.proxy.port, "user": "postgres", "db": self.name},
            **{"connect_timeout": 2, "reconnect_delay": 0.05},
        }
        app.PumpService.add_connection(PostgreSQLConnection(app, "PG", config))
        given = {"table": "items", "exactly_once": True, "write_timeout": 0.5, **QUICK}
        return PostgreSQLSink(app, pipeline, "PG", config=given)

    async def arrived(self) -> list[int]:
        rows = await asyncio.to_thread(self.execute, "SELECT number FROM items ORDER BY at")
        return [number for (number,) in rows]

    async def _set_read_only(self, value: str) -> None:
        statement = f"ALTER DATABASE {self.name} SET default_transaction_read_only = {value}"
        await asyncio.to_thread(self.execute, statement, "postgres")
        self.proxy.cut()

    async def refuse(self) -> None:
        await self._set_read_only("on")

    async def accept(self) -> None:
        await self._set_read_only("off")


@asynccontextmanager
async def table_destination(request: Any) -> AsyncIterator[Destination]:
    """Make an empty table at the PostgreSQL server of the session."""
    server = request.getfixturevalue("postgres")
    await asyncio.to_thread(server.start)
    async with TcpProxy(server.port) as proxy:
        table = Table(proxy, server)
        await asyncio.to_thread(table.create)
        yield table
        await table.start()
        await asyncio.to_thread(
            table.execute, f"DROP DATABASE {table.name} WITH (FORCE)", "postgres"
        )


class Queue(OfServer):
    """A quorum queue of RabbitMQ: it survives a broker that is killed."""

    def __init__(self, proxy: TcpProxy, server: Any) -> None:
        super().__init__(proxy, server)
        self.name = f"faults-{next(_numbers)}"
        self._taken: list[int] = []

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Any]:
        """Open a channel of the test's own."""
        import aiormq

        connection = await aiormq.connect(self.server.url)
        try:
            yield await connection.channel()
        finally:
            await connection.close()

    def sink(self, app: Any, pipeline: Any) -> Any:
        from bspump.amqp import AMQPConnection, AMQPSink

        options = {
            "url": f"amqp://guest:guest@127.0.0.1:{self.proxy.port}/",
            **{"reconnect_delay": 0.05, "connect_timeout": 2, "heartbeat": 1},
        }
        app.PumpService.add_connection(AMQPConnection(app, "Rabbit", options))
        config = {"routing_key": self.name, **QUICK}
        return AMQPSink(app, pipeline, "Rabbit", config=config)

    async def arrived(self) -> list[int]:
        async with self.channel() as channel:
            while (got := await channel.basic_get(self.name, no_ack=True)).body:
                self._taken.append(json.loads(got.body)["number"])
        return self._taken

    async def refuse(self) -> None:
        limit = '{"max-length": 1, "overflow": "reject-publish"}'
        only = ["--apply-to", "queues", self.name, f"^{self.name}$"]
        # It takes as long as the rest of the events, so these have to wait.
        self.proxy.freeze()
        await asyncio.to_thread(self.server.ctl, "set_policy", *only, limit)
        self.proxy.thaw()

    async def accept(self) -> None:
        await asyncio.to_thread(self.server.ctl, "clear_policy", self.name)


@asynccontextmanager
async def queue_destination(request: Any) -> AsyncIterator[Destination]:
    """Declare a queue at the broker of the session."""
    server = request.getfixturevalue("rabbit")
    await asyncio.to_thread(server.start)
    async with TcpProxy(server.port) as proxy:
        queue = Queue(proxy, server)
        async with queue.channel() as channel:
            arguments = {"x-queue-type": "quorum"}
            await channel.queue_declare(queue.name, durable=True, arguments=arguments)
            await channel.queue_bind(queue.name, "amq.direct", queue.name)
        yield queue
        await queue.start()
        async with queue.channel() as channel:
            await channel.queue_delete(queue.name)


class Topic(OfServer):
    """A topic of Kafka. Its clients go to the broker themselves, past any proxy."""

    is_exact = True

    def __init__(self, proxy: TcpProxy, server: Any) -> None:
        super().__init__(proxy, server)
        self.name = f"faults-{next(_numbers)}"

    def create(self) -> None:
        """Make it, with one partition."""
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": self.server.bootstrap_servers})
        admin.create_topics([NewTopic(self.name, 1)])[self.name].result(20)

    def sink(self, app: Any, pipeline: Any) -> Any:
        from bspump.kafka import KafkaConnection, KafkaSink

        options = {"bootstrap_servers": self.server.bootstrap_servers}
        app.PumpService.add_connection(KafkaConnection(app, "Kafka", options))
        config = {"topic": self.name, "exactly_once": True, **QUICK}
        return KafkaSink(app, pipeline, "Kafka", config=config)

    async def arrived(self) -> list[int]:
        values = await asyncio.to_thread(committed, self.server, self.name)
        return [json.loads(value)["number"] for value in values]


@asynccontextmanager
async def topic_destination(request: Any) -> AsyncIterator[Destination]:
    """Make a topic at the Kafka server of the session."""
    server = request.getfixturevalue("kafka")
    await asyncio.to_thread(server.start)
    topic = Topic(TcpProxy(server.port), server)
    await asyncio.to_thread(topic.create)
    yield topic
    await topic.start()


DESTINATIONS = {
    "AMQPSink": queue_destination,
    "HTTPClientSink": web_destination,
    "KafkaSink": topic_destination,
    "PostgreSQLSink": table_destination,
    "StreamClientSink": stream_destination,
}
