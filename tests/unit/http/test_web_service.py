"""Handlers of a web application that feed a pipeline and answer with what comes out of it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from bspump.abc.errors import RejectedError
from bspump.abc.processor import AsyncProcessor, Generator
from bspump.http import WebServiceSink, WebServiceSource
from bspump.testing.eventually import eventually


class Service:
    """One pipeline behind a handler: what is posted goes through and comes back."""

    def __init__(self, app, pipeline, *processors, **config):
        self.Source = WebServiceSource(app, pipeline)
        self.Sink = WebServiceSink(app, pipeline, config=config)
        self.more = {}
        pipeline.build(self.Source, *processors, self.Sink)

    async def handle(self, request):
        async with await self.Sink.response(request) as response:
            context = {WebServiceSink.CONTEXT_RESPONSE_ID: response.Id, **self.more}
            await self.Source.put(context, await request.read(), request)
        return response


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as session:
        yield session


async def test_put_returns_when_the_sink_has_the_event(app, pipeline, sink, tools, client):
    source = WebServiceSource(app, pipeline)
    pipeline.build(source, sink)
    given = {"mine": 1}

    async def handle(request):
        await source.put(given, await request.text(), request)
        assert sink.Events == ["hello"]
        return web.Response()

    async with tools.serving(handle) as url, app.running():
        response = await client.post(f"{url}/p?q=1&q=2", data="hello")
        assert response.status == 200
    context = sink.Contexts[0]
    assert context["mine"] == 1
    assert context["webservicesource.path"] == "/p"
    assert context["webservicesource.query"].getall("q") == ["1", "2"]
    assert sorted(key.partition(".")[2] for key in context if "." in key) == sorted(
        ["remote", "path", "query", "headers", "secure", "method", "url", "scheme", "forwarded",
         "host", "cookies", "content_type", "charset"]
    )  # fmt: skip
    assert given == {"mine": 1}


async def test_what_comes_out_of_the_pipeline_is_the_answer(app, pipeline, tools, client):
    service = Service(app, pipeline)
    async with tools.serving(service.handle) as url, app.running():
        async with client.post(url, data=b"hello") as response:
            assert await response.read() == b"hello"
        async with client.post(url, data=b"") as response:
            assert (response.status, await response.read()) == (200, b"")


async def test_processors_that_wait_or_make_many_belong_to_the_answer(app, pipeline, tools, client):
    class Slow(AsyncProcessor):
        async def process(self, context, event):
            await asyncio.sleep(0.01)
            return event

    class Letters(Generator):
        def generate(self, context, event, depth):
            return [bytes([letter]) + b"." for letter in event]

    service = Service(app, pipeline, Slow(app, pipeline), Letters(app, pipeline))
    async with tools.serving(service.handle) as url, app.running():
        posts = [client.post(url, data=text) for text in (b"abc", b"xyz")]
        answers = [await response.read() for response in await asyncio.gather(*posts)]
    assert answers == [b"a.b.c.", b"x.y.z."]


async def test_text_and_the_type_of_the_content(app, pipeline, tools, client):
    service = Service(app, pipeline, lambda context, event: event.decode())
    async with tools.serving(service.handle) as url, app.running():
        async with client.post(url, data="ž".encode()) as response:
            assert (response.content_type, await response.text()) == ("text/plain", "ž")
        service.more = {WebServiceSink.CONTEXT_TYPE: "text/csv; charset=utf-8"}
        async with client.post(url, data="ž".encode()) as response:
            assert (response.content_type, await response.text()) == ("text/csv", "ž")


async def test_events_are_sent_as_they_come(app, pipeline, tools, client):
    service = Service(app, pipeline)
    more = asyncio.Event()

    async def handle(request):
        async with await service.Sink.response(request) as response:
            context = {WebServiceSink.CONTEXT_RESPONSE_ID: response.Id}
            await service.Source.put(context, b"one", request)
            await more.wait()
            await service.Source.put(context, b"two", request)
        return response

    async with tools.serving(handle) as url, app.running(), client.post(url) as response:
        assert await response.content.readany() == b"one"
        more.set()
        assert await response.read() == b"two"


async def test_an_event_for_a_response_that_is_complete_is_dropped_and_counted(
    app, pipeline, tools, client
):
    service = Service(app, pipeline)
    async with tools.serving(service.handle) as url, app.running():
        async with client.post(url, data=b"x") as response:
            await response.read()
        service.Sink.process({WebServiceSink.CONTEXT_RESPONSE_ID: "complete"}, b"late")
        assert service.Sink.rest_get()["dropped"] == 1
        with pytest.raises(RejectedError, match="response_id"):
            service.Sink.process({}, b"nobody's")


async def test_a_handler_that_fails_leaves_no_complete_answer(app, pipeline, tools, client):
    service = Service(app, pipeline)

    async def handle(request):
        async with await service.Sink.response(request) as response:
            context = {WebServiceSink.CONTEXT_RESPONSE_ID: response.Id}
            await service.Source.put(context, b"x" * 100, request)
            await eventually(lambda: response.prepared)
            raise web.HTTPBadRequest

    async with tools.serving(handle) as url, app.running():
        with pytest.raises(aiohttp.ClientError):
            async with client.post(url) as response:
                await response.read()


async def test_an_object_that_is_no_text_is_set_aside(app, pipeline, tools, client):
    pipeline.handle_error = lambda *_: True
    service = Service(app, pipeline, lambda context, event: {"not": "bytes"})
    async with tools.serving(service.handle) as url, app.running():
        response = await client.post(url, data=b"x")
        assert await response.read() == b""


async def test_a_client_that_leaves_does_not_hold_the_pipeline(app, pipeline, tools, client):
    service = Service(app, pipeline, max_waiting_bytes=1000)
    waiting = asyncio.Event()

    async def handle(request):
        async with await service.Sink.response(request) as response:
            context = {WebServiceSink.CONTEXT_RESPONSE_ID: response.Id}
            await waiting.wait()
            for _ in range(20):
                await service.Source.put(context, b"x" * 100_000, request)
        return response

    async with tools.serving(handle) as url, app.running():
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await eventually(lambda: service.Sink._responses)
        writer.transport.abort()
        waiting.set()
        await eventually(lambda: not service.Sink._responses)
        assert pipeline.is_ready()


async def test_a_client_that_reads_nothing_is_cut_off_in_time(app, pipeline, tools):
    service = Service(app, pipeline, write_timeout=0.1, max_waiting_bytes="64KiB")

    async def handle(request):
        async with await service.Sink.response(request) as response:
            context = {WebServiceSink.CONTEXT_RESPONSE_ID: response.Id}
            for _ in range(300):
                await service.Source.put(context, b"x" * 100_000, request)
        return response

    async with tools.serving(handle) as url, app.running():
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(url.rpartition(":")[2]), limit=1024
        )
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await eventually(lambda: service.Sink._responses)
        await eventually(lambda: not service.Sink._responses)
        assert pipeline.is_ready()
        writer.transport.abort()
        del reader
