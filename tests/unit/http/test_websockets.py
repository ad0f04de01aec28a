"""WebSocket in all four roles, over real connections that break."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PartialWriteError,
    TransientError,
)
from bspump.abc.sink import Batch
from bspump.http import HTTPClientWebSocketSink, HTTPClientWebSocketSource, WebSocketSource
from bspump.testing.eventually import eventually
from bspump.testing.faults import cancel_everywhere
from bspump.testing.memory_ends import MemorySource


def batch(*events):
    return Batch(list(events), [{} for _ in events])


class Receiver:
    """A server that keeps what it receives, and breaks a connection after `patience` messages."""

    def __init__(self):
        self.messages = []
        self.connections = 0
        self.patience = None
        self.answers_pings = True

    async def handle(self, request):
        self.connections += 1
        socket = web.WebSocketResponse(autoping=self.answers_pings)
        await socket.prepare(request)
        count = 0
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                count += 1
                if self.patience is not None and count > self.patience:
                    request.transport.abort()
                    break
                self.messages.append(message.data)
        return socket


@pytest.fixture
async def receiver(tools):
    found = Receiver()
    async with tools.serving(found.handle) as url:
        found.url = url
        yield found


def sink_to(app, pipeline, url, **config):
    config = {"url": url, "retry.first": 0.01, "retry.longest": 0.05, **config}
    return HTTPClientWebSocketSink(app, pipeline, config=config)


async def test_text_and_bytes_are_sent_as_such_and_others_are_set_aside(app, pipeline, receiver):
    sink = sink_to(app, pipeline, receiver.url)
    await sink.connect()
    with pytest.raises(PartialWriteError) as caught:
        await sink.write(batch("text", b"bytes", {"no": 1}))
    assert receiver.messages == ["text", b"bytes"]
    assert caught.value.rejected == [2]
    await sink.close()
    await sink.close()


async def test_a_write_returns_when_the_server_has_received_all(app, pipeline, receiver):
    sink = sink_to(app, pipeline, receiver.url)
    await sink.connect()
    for i in range(20):
        events = [f"{i}.{n}" for n in range(50)]
        await sink.write(batch(*events))
        assert receiver.messages[-50:] == events
    await sink.close()


async def test_no_event_is_lost_when_connections_break(app, pipeline, receiver):
    receiver.patience = 25
    events = [str(i) for i in range(100)]
    source = MemorySource(app, pipeline, events=events)
    pipeline.build(source, sink_to(app, pipeline, receiver.url, output_queue_max_size="10"))
    async with app.running():
        await eventually(source.is_finished)
    assert sorted(set(receiver.messages), key=int) == events
    assert receiver.connections > 3


async def test_the_queue_size_of_old_limits_the_batch(app, pipeline):
    assert (
        sink_to(app, pipeline, "ws://h/", output_queue_max_size="7").Options.batch.max_events == 7
    )
    assert sink_to(app, pipeline, "ws://h/").Options.batch.max_events == 100


async def test_a_server_that_does_not_confirm_is_left(app, pipeline, receiver):
    receiver.answers_pings = False
    sink = sink_to(app, pipeline, receiver.url, **{"timeout.read": 0.05})
    await sink.connect()
    with pytest.raises(NotConnectedError, match="ping"):
        await sink.write(batch("a"))
    await sink.close()


async def test_a_closed_connection_is_noticed_by_the_next_write(app, pipeline, tools):
    async def handle(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close(code=1001)
        return socket

    async with tools.serving(handle) as url:
        sink = sink_to(app, pipeline, url)
        await sink.connect()
        await eventually(sink._reader.done)
        with pytest.raises(NotConnectedError, match="1001"):
            await sink.write(batch("a"))
        await sink.close()
        with pytest.raises(NotConnectedError):
            await sink.write(batch("a"))


async def test_an_idle_connection_answers_the_pings_of_the_server(app, pipeline, tools):
    pongs = []

    async def handle(request):
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await socket.ping(b"there?")
        pongs.append(await socket.receive())
        return socket

    async with tools.serving(handle) as url:
        sink = sink_to(app, pipeline, url)
        await sink.connect()
        await eventually(lambda: pongs)
        await sink.close()
    assert (pongs[0].type, pongs[0].data) == (WSMsgType.PONG, b"there?")


@pytest.mark.parametrize(
    ("status", "error"), [(401, ConfigError), (400, ConfigError), (503, TransientError)]
)
async def test_a_refused_handshake_says_what_to_do(app, pipeline, server, tools, status, error):
    server.default = tools.answer(status, Retry_After="4")
    for part in (
        sink_to(app, pipeline, server.url),
        HTTPClientWebSocketSource(app, pipeline, config={"url": server.url}),
    ):
        with pytest.raises(error) as caught:
            await part.connect()
        assert getattr(caught.value, "retry_after_s", 4) == 4


async def test_nobody_there_is_not_connected(app, pipeline, unused_tcp_port):
    url = f"ws://127.0.0.1:{unused_tcp_port}/"
    with pytest.raises(NotConnectedError):
        await sink_to(app, pipeline, url).connect()


async def test_cancelling_a_write_leaves_the_sink_usable(app, pipeline, receiver):
    sink = sink_to(app, pipeline, receiver.url)
    await sink.connect()

    async def check():
        await sink.write(batch("after"))
        assert receiver.messages[-1] == "after"

    await cancel_everywhere(lambda: sink.write(batch("a", "b")), check)
    await sink.close()


async def test_cancelling_a_connect_leaves_nothing_open(app, pipeline, receiver):
    sink = sink_to(app, pipeline, receiver.url)

    async def connect():
        await sink.connect()
        await sink.close()

    # An unclosed session or socket is a warning, and warnings are errors.
    await cancel_everywhere(connect, sink.close)


# The source


async def read_to_the_end(source):
    while True:
        await source.read(None)


async def test_messages_of_a_server_become_events_over_several_connections(
    app, pipeline, sink, tools
):
    subscriptions = []

    async def handle(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        subscriptions.append(await socket.receive_str())
        await socket.send_str(f"text {len(subscriptions)}")
        await socket.send_bytes(b"bytes")
        await socket.close()
        return socket

    async with tools.serving(handle) as url:
        config = {"url": url.replace("http", "ws"), "subscribe": "all", "retry.first": 0.01}
        pipeline.build(HTTPClientWebSocketSource(app, pipeline, config=config), sink)
        async with app.running():
            await eventually(lambda: len(sink.Events) >= 4)
    assert sink.Events[:4] == ["text 1", b"bytes", "text 2", b"bytes"]
    assert set(subscriptions) == {"all"}


async def test_a_server_that_stops_answering_is_left(app, pipeline, tools):
    async def handle(request):
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await asyncio.Event().wait()

    async with tools.serving(handle) as url:
        source = HTTPClientWebSocketSource(app, pipeline, config={"url": url, "heartbeat": "100ms"})
        await source.connect()
        with pytest.raises(NotConnectedError):
            await read_to_the_end(source)
        await source.close()


async def test_cancelling_a_read_loses_no_message(app, pipeline, tools):
    async def handle(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for i in range(5):
            await asyncio.sleep(0)
            await socket.send_str(str(i))
        await socket.receive()
        return socket

    async with tools.serving(handle) as url:
        source = HTTPClientWebSocketSource(app, pipeline, config={"url": url})
        await source.connect()
        found = []
        while len(found) < 5:
            task = asyncio.get_running_loop().create_task(source.read(None))
            await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                found += (await task).events
        await source.close()
    assert found == ["0", "1", "2", "3", "4"]


# The server


async def test_messages_of_clients_become_events_with_their_context(app, pipeline, sink, tools):
    source = WebSocketSource(app, pipeline)
    pipeline.build(source, sink)
    async with tools.serving(source.handler) as url, aiohttp.ClientSession() as session:
        async with app.running(), session.ws_connect(f"{url}/path") as socket:
            await socket.send_str("text")
            await socket.send_bytes(b"bytes")
            await eventually(lambda: len(sink.Events) == 2)
        assert sink.Events == ["text", b"bytes"]
        assert [context["type"] for context in sink.Contexts] == [WSMsgType.TEXT, WSMsgType.BINARY]
        assert sink.Contexts[0]["request"].path == "/path"


async def test_clients_wait_while_the_pipeline_is_not_ready(app, pipeline, sink, tools):
    source = WebSocketSource(app, pipeline)
    pipeline.build(source, sink)
    async with (
        tools.serving(source.handler) as url,
        aiohttp.ClientSession() as session,
        app.running(),
        session.ws_connect(url) as socket,
    ):
        await socket.send_str("0")
        await eventually(lambda: sink.Events == ["0"])
        pipeline.throttle("test")
        for i in range(1, 10):
            await socket.send_str(str(i))
        await asyncio.sleep(0.02)
        assert sink.Events == ["0"]
        pipeline.throttle("test", False)
        await eventually(lambda: len(sink.Events) == 10)


async def test_a_stop_says_goodbye_and_refuses_newcomers(app, pipeline, sink, tools):
    source = WebSocketSource(app, pipeline)
    pipeline.build(source, sink)
    async with tools.serving(source.handler) as url, aiohttp.ClientSession() as session:
        async with app.running():
            socket = await session.ws_connect(url)
            goodbye = asyncio.get_running_loop().create_task(socket.receive())
            await socket.send_str("x")
            await eventually(lambda: sink.Events == ["x"])
        assert (await goodbye).type == WSMsgType.CLOSE
        assert socket.close_code == 1001
        await socket.close()
        async with session.get(url) as response:
            assert response.status == 503


async def test_a_message_that_is_too_long_ends_the_connection(app, pipeline, sink, tools):
    source = WebSocketSource(app, pipeline, config={"max_message_bytes": "1KiB"})
    pipeline.build(source, sink)
    async with (
        tools.serving(source.handler) as url,
        aiohttp.ClientSession() as session,
        app.running(),
        session.ws_connect(url) as socket,
    ):
        await socket.send_str("x" * 5000)
        await socket.receive()
        assert socket.close_code == 1009
    assert sink.Events == []
