"""HTTP, server-sent events and WebSocket keep the contracts of sources and sinks."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json

import pytest
from aiohttp import WSMsgType, web

from bspump.abc.errors import NotConnectedError
from bspump.http import (
    HTTPClientSink,
    HTTPClientWebSocketSink,
    HTTPClientWebSocketSource,
    HTTPEventStreamSource,
    HTTPPagedSource,
)
from bspump.testing.contracts import SinkContract, SinkTarget, SourceContract, SourceTarget
from bspump.testing.contracts.base import awaited, bare

POISON = {"number": -1, "text": "poison"}


@contextlib.asynccontextmanager
async def serving(handler):
    """Serve all requests by `handler`; yields the URL."""
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


class TestHTTPPagedSource(SourceContract):
    @pytest.fixture
    async def target(self):
        events = []

        async def handle(request):
            offset = int(request.query["offset"])
            return web.json_response(events[offset : offset + 100])

        async with serving(handle) as url:
            config = {"url": url, "paging": "offset"}
            yield SourceTarget(
                make=functools.partial(HTTPPagedSource, config=config), write=events.extend
            )


class BufferedSourceContract(SourceContract):
    """What has been received before a cut may be read before the cut is seen."""

    async def test_a_lost_connection_asks_for_a_new_one(self, target):
        async with bare(target.make) as source:
            await source.connect()
            await awaited(target.write(target.events(3)))
            await awaited(target.disconnect(source))
            position = None
            with contextlib.suppress(NotConnectedError):
                async with asyncio.timeout(5):
                    while True:
                        position = (await source.read(position)).position
            await source.close()
            await source.connect()
            await awaited(target.write([target.event(4, "new")]))
            found = []
            while target.event(4, "new") not in found:
                chunk = await source.read(position)
                found += chunk.events
                position = chunk.position
            await source.close()


class EndlessStreamSource(HTTPEventStreamSource):
    """Claims no end: the server of the test never ends the stream."""

    Capabilities = HTTPEventStreamSource.Capabilities & ~HTTPEventStreamSource.Capabilities.END


class TestHTTPEventStreamSource(BufferedSourceContract):
    @pytest.fixture
    async def target(self):
        events, transports, changed = [], set(), asyncio.Condition()

        async def handle(request):
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            transports.add(request.transport)
            sent = int(request.headers.get("Last-Event-ID", 0))
            while not request.transport.is_closing():
                async with changed:
                    while len(events) <= sent:
                        await changed.wait()
                while sent < len(events):
                    sent += 1
                    data = json.dumps(events[sent - 1])
                    await response.write(f"id: {sent}\ndata: {data}\n\n".encode())
            return response

        async def write(more):
            async with changed:
                events.extend(more)
                changed.notify_all()

        def disconnect(_):
            for transport in transports:
                transport.abort()

        async with serving(handle) as url:
            config = {"url": url, "codec": "json", "retry.first": 0.01}
            yield SourceTarget(
                make=functools.partial(EndlessStreamSource, config=config),
                write=write,
                disconnect=disconnect,
            )


class TestHTTPClientWebSocketSource(BufferedSourceContract):
    @pytest.fixture
    async def target(self):
        """Return a server that keeps messages while nobody is there."""
        waiting, sockets, turn = [], {}, asyncio.Lock()

        async def send():
            async with turn:
                while waiting and sockets:
                    await next(iter(sockets)).send_str(waiting[0])
                    del waiting[0]

        async def handle(request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            sockets[socket] = request.transport
            try:
                await send()
                await socket.receive()
            finally:
                sockets.pop(socket, None)
            return socket

        async def write(more):
            waiting.extend(more)
            await send()

        def disconnect(_):
            for transport in sockets.values():
                transport.abort()
            sockets.clear()

        async with serving(handle) as url:
            config = {"url": url, "retry.first": 0.01}
            yield SourceTarget(
                make=functools.partial(HTTPClientWebSocketSource, config=config),
                write=write,
                event=lambda number, text: f"{number} {text}",
                disconnect=disconnect,
            )


class Collector:
    """Takes JSON lines or a JSON document per request; refuses poison; hangs up when told to."""

    def __init__(self):
        self.events = []
        self.hang_up = False

    async def handle(self, request):
        if self.hang_up:
            self.hang_up = False
            request.transport.abort()
            return web.Response()
        found = [json.loads(line) for line in (await request.read()).split(b"\n") if line]
        if POISON in found:
            return web.Response(status=422)
        self.events += found
        return web.Response()

    def disconnect(self, _):
        self.hang_up = True


class UnfitForJson(dict):
    """An event that is an event for everybody but the codec."""

    def __init__(self):
        super().__init__(text=object())


@pytest.fixture
async def collector():
    found = Collector()
    async with serving(found.handle) as url:
        found.url = url
        yield found


class TestHTTPClientSink(SinkContract):
    @pytest.fixture
    def target(self, collector):
        return SinkTarget(
            make=functools.partial(
                HTTPClientSink, config={"url": collector.url, "retry.first": 0.01}
            ),
            stored=lambda: collector.events,
            poison=UnfitForJson(),
            disconnect=collector.disconnect,
        )


class TestHTTPClientSinkOfSingleEvents(SinkContract):
    @pytest.fixture
    def target(self, collector):
        config = {"url": collector.url, "retry.first": 0.01, "body": "each", "compression": "gzip"}
        return SinkTarget(
            make=functools.partial(HTTPClientSink, config=config),
            stored=lambda: collector.events,
            poison=POISON,
            disconnect=collector.disconnect,
        )


class TestHTTPClientWebSocketSink(SinkContract):
    @pytest.fixture
    async def target(self):
        messages, transports = [], set()

        async def handle(request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            transports.add(request.transport)
            while (message := await socket.receive()).type == WSMsgType.TEXT:
                messages.append(message.data)
            return socket

        def disconnect(_):
            for transport in transports:
                transport.abort()
            transports.clear()

        async with serving(handle) as url:
            yield SinkTarget(
                make=functools.partial(
                    HTTPClientWebSocketSink, config={"url": url, "retry.first": 0.01}
                ),
                stored=lambda: messages,
                event=lambda number, text: f"{number} {text}",
                poison={"not": "a text"},
                disconnect=disconnect,
            )
