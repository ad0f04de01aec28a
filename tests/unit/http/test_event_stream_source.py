"""Server-sent events of a real server that breaks, lies and comes back."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from bspump.abc.errors import ConfigError, NotConnectedError, TransientError
from bspump.http import HTTPEventStreamSource
from bspump.testing.eventually import eventually
from bspump.testing.faults import cancel_everywhere


class Stream:
    """Sends numbered messages from the asked for one on, and breaks off after `at_once`."""

    def __init__(self, at_once=2, total=7, retry_ms=0):
        self.at_once, self.total, self.retry_ms = at_once, total, retry_ms
        self.resumed = []

    async def handle(self, request):
        asked = request.headers.get("Last-Event-ID", "")
        self.resumed.append(asked)
        first = int(asked or 0) + 1
        if first > self.total:
            return web.Response(status=204)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(f"retry: {self.retry_ms}\n\n".encode())
        for i in range(first, min(first + self.at_once, self.total + 1)):
            await response.write(f"id: {i}\nevent: tick\ndata: {i}\n\n".encode())
        await response.write(b"data: never complete")
        return response


def make(app, pipeline, url, **config):
    return HTTPEventStreamSource(app, pipeline, config={"url": url, "retry.first": 0.01, **config})


async def read_to_the_end(source):
    position = None
    while True:
        position = (await source.read(position)).position


async def test_every_message_comes_once_over_many_connections(app, pipeline, sink, tools):
    stream = Stream()
    async with tools.serving(stream.handle) as url:
        source = make(app, pipeline, url)
        pipeline.build(source, sink)
        async with app.running():
            await eventually(source.is_finished)
    assert sink.Events == ["1", "2", "3", "4", "5", "6", "7"]
    assert sink.Contexts[0] == {"sse_event": "tick", "sse_id": "1"}
    assert stream.resumed == ["", "2", "4", "6", "7"]


async def test_reading_goes_on_from_any_position(app, pipeline, tools):
    stream = Stream(at_once=100)
    async with tools.serving(stream.handle) as url:
        source = make(app, pipeline, url, codec="json")
        await source.connect()
        for last in ("3", "5", "1"):
            chunk = await source.read({"last_event_id": last})
            assert chunk.events[0] == int(last) + 1
        await source.close()
    assert stream.resumed == ["", "3", "5", "1"]


async def test_the_end_of_a_stream_waits_as_long_as_the_server_says(
    app, pipeline, tools, monkeypatch
):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(app.Clock, "sleep", sleep)
    stream = Stream(retry_ms=4500)
    async with tools.serving(stream.handle) as url:
        source = make(app, pipeline, url)
        await source.connect()
        with pytest.raises(NotConnectedError, match="ended the stream"):
            await read_to_the_end(source)
        await source.close()
        await source.connect()
        await source.close()
    assert waits == [0, pytest.approx(4.5, abs=0.5)]


async def test_a_message_that_cannot_be_decoded_is_set_aside(app, pipeline, sink, tools):
    async def handle(request):
        if "Last-Event-ID" in request.headers:
            return web.Response(status=204)
        body = 'data: {"a": 1}\n\ndata: {oops\n\nid: 3\ndata: {"a": 3}\n\n'
        return web.Response(body=body, content_type="text/event-stream")

    async with tools.serving(handle) as url:
        source = make(app, pipeline, url, codec="json")
        pipeline.build(source, sink)
        async with app.running():
            await eventually(source.is_finished)
            assert not pipeline.has_error()
            assert pipeline.MetricsCounter.values["event.fail"] == 1
    assert sink.Events == [{"a": 1}, {"a": 3}]


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (200, "text/html", ConfigError),
        (401, "text/event-stream", ConfigError),
        (503, "text/event-stream", TransientError),
    ],
)
async def test_another_answer_is_an_error(app, pipeline, server, tools, status, kind, error):
    source = make(app, pipeline, server.url)
    server.default = tools.answer(status, "no", Content_Type=kind)
    with pytest.raises(error):
        await source.connect()
    with pytest.raises(NotConnectedError):
        await source.read(None)


async def test_a_silent_server_is_asked_again(app, pipeline, server):
    async def silent(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.Event().wait()

    source = make(app, pipeline, server.url, **{"timeout.read": 0.05})
    server.default = silent
    for attempts in (1, 2):
        await source.connect()
        with pytest.raises(NotConnectedError):
            await source.read(None)
        with pytest.raises(NotConnectedError):
            await source.read(None)
        await source.close()
        assert len(server.seen) == attempts


async def test_a_read_without_messages_comes_back_soon(app, pipeline, server, monkeypatch):
    async def silent(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.Event().wait()

    monkeypatch.setattr("bspump.http.event_stream_source._PATIENCE_S", 0.02)
    source = make(app, pipeline, server.url)
    server.default = silent
    await source.connect()
    assert (await source.read(None)).events == []
    assert (await source.read({"last_event_id": ""})).events == []
    await source.close()
    assert len(server.seen) == 1


async def test_cancelling_a_read_anywhere_loses_nothing(app, pipeline, tools):
    async with tools.serving(Stream(at_once=1).handle) as url:
        source = make(app, pipeline, url)

        found = []

        async def read_all():
            while True:
                try:
                    await source.connect()
                    await read_on()
                except NotConnectedError:
                    continue
                finally:
                    await source.close()
                return

        async def read_on():
            while True:
                chunk = await source.read(source.Position)
                found.extend(chunk.events)
                source.Position = chunk.position
                if chunk.is_last:
                    return

        def check():
            assert found == [str(i + 1) for i in range(len(found))]

        await cancel_everywhere(read_all, check)
        assert len(found) == 7
