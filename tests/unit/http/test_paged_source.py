"""Listings of a real server, page by page."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from bspump.abc.errors import ConfigError, NotConnectedError, ProcessingError, TransientError
from bspump.http import HTTPPagedSource
from bspump.testing.eventually import eventually


class Listing:
    """An API of 10 records with pages of at most 3, in every dialect."""

    def __init__(self):
        self.records = [{"id": i} for i in range(10)]
        self.size = 3
        self.requests = []

    async def handle(self, request):
        self.requests.append(str(request.rel_url))
        query = request.query
        kind = request.path.strip("/")
        page = int(query.get("page", 1))
        start = int(query.get("offset", query.get("cursor", (page - 1) * self.size)))
        size = min(self.size, int(query.get("limit", self.size)))
        found = self.records[start : start + size]
        is_last = start + size >= len(self.records)
        headers = {}
        if kind == "link" and not is_last:
            headers["Link"] = f'<{request.url.with_query(page=page + 1)}>; rel="next"'
        body = {"meta": {"next": None if is_last else start + size}, "data": {"items": found}}
        return web.json_response(body, headers=headers)


KINDS = [
    {"paging": "link"},
    {"paging": "cursor", "next_field": "meta.next"},
    {"paging": "page"},
    {"paging": "page", "page_size": "3"},
    {"paging": "page", "page_size": "50"},
    {"paging": "offset", "page_size": "2"},
    {"paging": "offset"},
]


def make(app, pipeline, url, **config):
    config = {"url": url, "records": "data.items", "retry.first": 0.01, **config}
    return HTTPPagedSource(app, pipeline, config=config)


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_a_whole_listing_is_read_once_in_order_and_then_it_ends(
    app, pipeline, sink, tools, kind
):
    listing = Listing()
    async with tools.serving(listing.handle) as url:
        source = make(app, pipeline, f"{url}/{kind['paging']}", **kind)
        pipeline.build(source, sink)
        async with app.running():
            await eventually(source.is_finished)
    assert sink.Events == listing.records


async def rest_of(source, position):
    rest, is_last = [], False
    while not is_last:
        chunk = await source.read(position)
        rest += chunk.events
        position, is_last = chunk.position, chunk.is_last
    return rest


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_reading_can_go_on_from_every_position(app, pipeline, tools, kind):
    listing = Listing()
    async with tools.serving(listing.handle) as url:
        source = make(app, pipeline, f"{url}/{kind['paging']}", **kind)
        await source.connect()
        found, positions, chunk = [], [(None, 0)], None
        while chunk is None or not chunk.is_last:
            chunk = await source.read(positions[-1][0])
            found += chunk.events
            positions.append((json.loads(json.dumps(chunk.position)), len(found)))
        for position, count in positions:
            assert await rest_of(source, position) == listing.records[count:]
        await source.close()


async def test_a_followed_listing_goes_on_when_it_grows(app, pipeline, sink, tools):
    listing = Listing()
    async with tools.serving(listing.handle) as url:
        source = make(
            app, pipeline, f"{url}/page", paging="page", page_size=3, follow="yes", idle=0.01
        )
        pipeline.build(source, sink)
        async with app.running():
            await eventually(lambda: len(sink.Events) == 10)
            for i in range(10, 20):
                listing.records.append({"id": i})
            await eventually(lambda: len(sink.Events) == 20)
    assert sink.Events == listing.records


async def test_a_failing_server_loses_nothing(app, pipeline, sink, server, tools):
    listing = Listing()
    server.default = listing.handle
    server.answers.extend([tools.answer(500), tools.hang_up, tools.break_off(b'{"data"')])
    source = make(app, pipeline, f"{server.url}/offset", paging="offset")
    pipeline.build(source, sink)
    async with app.running():
        await eventually(source.is_finished)
    assert sink.Events == listing.records


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (429, {"Retry_After": "7"}, 7),
        (503, {"Retry_After": "7"}, 7),
        (403, {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "9"}, 9),
    ],
)
async def test_a_busy_server_says_how_long_to_wait(
    app, pipeline, server, tools, status, headers, wait_s
):
    source = make(app, pipeline, server.url)
    server.default = tools.answer(status, **headers)
    await source.connect()
    with pytest.raises(TransientError) as caught:
        await source.read(None)
    assert caught.value.retry_after_s == wait_s
    await source.close()


async def test_a_used_up_limit_holds_back_the_next_request(
    app, pipeline, server, tools, monkeypatch
):
    source = make(app, pipeline, server.url, records="", interval="5s")
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(app.Clock, "sleep", sleep)
    server.answers.append(tools.answer(200, "[1]", RateLimit_Remaining="0", RateLimit_Reset="60"))
    server.default = tools.answer(200, "[1]")
    await source.connect()
    for _ in range(3):
        await source.read(None)
    await source.close()
    assert waits == [0, pytest.approx(60, abs=1), pytest.approx(5, abs=1)]


@pytest.mark.parametrize(
    ("body", "message"),
    [("{oops", "expected a JSON document"), ('{"data": 1}', "expected a list"), ("[]", "a list")],
)
async def test_an_answer_of_another_shape_is_an_error_that_says_so(
    app, pipeline, server, tools, body, message
):
    source = make(app, pipeline, server.url)
    server.default = tools.answer(200, body)
    await source.connect()
    with pytest.raises(ProcessingError, match=message):
        await source.read(None)
    await source.close()


async def test_null_is_no_event_but_counts_as_a_record(app, pipeline, server, tools):
    source = make(app, pipeline, server.url, records="", paging="none")
    server.default = tools.answer(200, "[null, 1, null]")
    await source.connect()
    chunk = await source.read(None)
    await source.close()
    assert (chunk.events, chunk.position["skip"]) == ([1], 3)


@pytest.mark.parametrize(
    ("config", "option"),
    [
        ({"paging": "cursor"}, "next_field"),
        ({"paging": "page", "follow": True}, "page_size"),
        ({"url": "nowhere"}, "url"),
        ({"url": "http://joe:x@h/", "auth.token": "t"}, "auth.token and url"),
    ],
)
async def test_what_can_never_work_is_refused_at_once(app, pipeline, config, option):
    source = make(app, pipeline, **{"url": "http://localhost/", **config})
    with pytest.raises(ConfigError, match=option):
        await source.connect()


async def test_nobody_there_is_not_connected(app, pipeline, unused_tcp_port):
    source = make(app, pipeline, f"http://127.0.0.1:{unused_tcp_port}/")
    await source.connect()
    with pytest.raises(NotConnectedError):
        await source.read(None)
    await source.close()
    with pytest.raises(NotConnectedError):
        await source.read(None)


async def test_credentials_are_not_sent_to_where_a_redirect_leads(app, pipeline, server, tools):
    stolen = []

    async def thief(request):
        stolen.append(request.headers.get("Authorization"))
        return web.json_response([])

    async with tools.serving(thief) as url:
        server.default = tools.answer(302, Location=url.replace("localhost", "127.0.0.1"))
        source = make(app, pipeline, server.url, records="", **{"auth.token": "s3cret"})
        await source.connect()
        await source.read(None)
        await source.close()
    assert server.seen[0].headers["Authorization"] == "Bearer s3cret"
    assert stolen == [None]
