"""Sources that ask once per cycle, against a real server."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from aiohttp import web

from bspump.abc.trigger import Trigger
from bspump.http import (
    HTTPABCClientSource,
    HTTPClientCSVSource,
    HTTPClientLineSource,
    HTTPClientSource,
    HTTPClientTextSource,
)
from bspump.testing.eventually import eventually


@pytest.fixture
def source_of(app, pipeline, sink, server):
    """Return what makes a source, builds the pipeline, and lets the source be fired."""

    def make(cls, kwargs=None, **config):
        config = {"url": f"{server.url}/data", "fail_chilldown": 0.01, **config}
        source = cls(app, pipeline, config=config, **(kwargs or {}))
        source.Trigger = Trigger(app)
        pipeline.build(source.on(source.Trigger), sink)
        return source

    return make


async def cycle(source):
    source.Trigger.fire()
    await eventually(lambda: not source.TriggerEvent.is_set())


@pytest.mark.parametrize(
    ("cls", "body", "events"),
    [
        (HTTPClientSource, b"\x00\xff", [b"\x00\xff"]),
        (HTTPClientTextSource, "žluť".encode(), ["žluť"]),
        (HTTPClientLineSource, b"one\r\ntwo\n\nthree", ["one", "two", "three"]),
        (
            HTTPClientCSVSource,
            b'a,b\n1,"x\ny"\n2\n',
            [{"a": "1", "b": "x\ny"}, {"a": "2", "b": None}],
        ),
    ],
)
async def test_an_answer_becomes_what_the_class_says(
    app, server, tools, sink, source_of, cls, body, events
):
    source = source_of(cls)
    server.default = tools.answer(200, body)
    async with app.running():
        await cycle(source)
    assert sink.Events == events


async def test_every_cycle_asks_once_with_all_headers(app, server, source_of):
    source = source_of(
        HTTPClientTextSource,
        kwargs={"headers": {"X-One": "1"}},
        method="POST",
        **{"headers": "X-Two: 2", "auth.token": "s3cret"},
    )
    async with app.running():
        await cycle(source)
        await cycle(source)
    assert len(server.seen) == 2
    request = server.seen[0]
    assert request.method == "POST"
    assert (request.headers["X-One"], request.headers["X-Two"]) == ("1", "2")
    assert request.headers["Authorization"] == "Bearer s3cret"


async def test_two_sources_do_not_share_their_headers(app, pipeline):
    first = HTTPClientSource(app, pipeline, id="a")
    second = HTTPClientSource(app, pipeline, id="b")
    first.Headers["X"] = "1"
    assert second.Headers == {}


async def test_a_failed_attempt_is_repeated_until_the_answer_is_right(
    app, server, tools, sink, source_of
):
    source = source_of(HTTPClientTextSource)
    server.answers.extend([tools.answer(500), tools.hang_up, tools.break_off(b"par")])
    server.default = tools.answer(200, "whole")
    async with app.running():
        await cycle(source)
    assert sink.Events == ["whole"]
    assert len(server.seen) == 4


async def test_after_the_last_attempt_the_error_is_the_pipelines(
    app, pipeline, server, tools, sink, source_of
):
    source = source_of(HTTPClientSource, max_failed_retries=1)
    server.default = tools.answer(404, "no such thing")
    async with app.running():
        await cycle(source)
        assert pipeline.has_error()
        assert len(server.seen) == 2
        assert any("no such thing" in str(r.fields) for r in pipeline.L.Deque)
        server.default = tools.answer(200, "ok")
        pipeline.set_error(None, None, None)
        await cycle(source)
    assert sink.Events == [b"ok"]


async def test_retry_after_is_obeyed_and_waits_get_longer(
    app, server, tools, source_of, monkeypatch
):
    source = source_of(HTTPClientSource, fail_chilldown=30)
    waits = []

    async def sleep(seconds, _original=app.Clock.sleep):
        if seconds >= 30:
            waits.append(seconds)
            seconds = 0
        await _original(seconds)

    server.answers.extend(
        [tools.answer(503, Retry_After="77"), tools.answer(500), tools.answer(500)]
    )
    async with app.running():
        monkeypatch.setattr(app.Clock, "sleep", sleep)
        await cycle(source)
    assert waits == [77, 60, 120]


async def test_no_content_means_that_there_is_nothing_now(
    app, pipeline, server, tools, sink, source_of
):
    source = source_of(HTTPClientSource)
    server.default = tools.answer(204)
    async with app.running():
        await cycle(source)
        assert not pipeline.has_error()
    assert sink.Events == []
    assert len(server.seen) == 1


async def test_an_answer_that_is_too_long_is_not_read_to_its_end(
    app, pipeline, server, tools, sink, source_of
):
    source = source_of(HTTPClientSource, max_body_bytes="1KiB")
    server.default = tools.answer(200, b"x" * 10_000_000)
    async with app.running():
        await cycle(source)
        assert pipeline.has_error()
    assert sink.Events == []


async def test_a_small_answer_that_expands_to_a_huge_one_is_refused(
    app, pipeline, server, tools, sink, source_of
):
    source = source_of(HTTPClientSource, max_body_bytes="1MB")
    bomb = gzip.compress(b"\0" * 50_000_000)
    server.default = tools.answer(200, bomb, Content_Encoding="gzip")
    async with app.running():
        await cycle(source)
        assert pipeline.has_error()
    assert sink.Events == []


async def test_lines_arrive_while_the_answer_is_still_coming(app, server, sink, source_of):
    more = asyncio.Event()

    async def slow(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\ntw")
        await more.wait()
        await response.write(b"o\n")
        return response

    source = source_of(HTTPClientLineSource)
    server.default = slow
    async with app.running():
        source.Trigger.fire()
        await eventually(lambda: sink.Events == ["one"])
        more.set()
        await eventually(lambda: sink.Events == ["one", "two"])


async def test_a_broken_line_spares_its_neighbours(app, pipeline, server, tools, sink, source_of):
    source = source_of(HTTPClientLineSource, max_line_bytes=10)
    server.default = tools.answer(200, b"good\n\xff\xfe\n" + b"x" * 50 + b"\nlast\n")
    async with app.running():
        await cycle(source)
        assert not pipeline.has_error()
    assert sink.Events == ["good", "last"]


async def test_utf_16_is_cut_into_lines_too(app, server, tools, sink, source_of):
    source = source_of(HTTPClientLineSource)
    server.default = tools.answer(
        200, "ž\r\nb".encode("utf-16"), Content_Type="text/plain; charset=utf-16"
    )
    async with app.running():
        await cycle(source)
    assert sink.Events == ["ž", "b"]


@pytest.mark.parametrize(
    ("configured", "said", "text"),
    [("", "iso-8859-2", "ľ"), ("iso-8859-2", "utf-8", "ľ"), ("", "no-such-thing", None)],
)
async def test_the_encoding_is_the_configured_one_or_that_of_the_answer(
    app, server, tools, sink, source_of, configured, said, text
):
    source = source_of(HTTPClientTextSource, encoding=configured)
    body = "ľ".encode("iso-8859-2")
    server.default = tools.answer(200, body, Content_Type=f"text/plain; charset={said}")
    async with app.running():
        await cycle(source)
        assert not source.Pipeline.has_error()
    assert sink.Events == ([text] if text else [])


async def test_csv_is_read_as_the_options_say(app, pipeline, server, tools, sink, source_of):
    source = source_of(
        HTTPClientCSVSource,
        delimiter=";",
        quoting="3",
        strict="yes",
        kwargs={"fieldnames": ["a", "b"]},
    )
    server.default = tools.answer(200, '1;"\n2;3;4\n5;6\n')
    async with app.running():
        await cycle(source)
        assert not pipeline.has_error()
    assert sink.Events == [{"a": "1", "b": '"'}, {"a": "5", "b": "6"}]


async def test_a_server_that_never_answers_is_given_up_in_time(
    app, pipeline, server, tools, source_of
):
    source = source_of(HTTPClientSource, max_failed_retries=0, **{"timeout.read": "50ms"})
    server.default = tools.never
    async with app.running():
        await cycle(source)
        assert pipeline.has_error()


async def test_a_stop_in_the_middle_of_a_request_closes_the_session(app, server, tools, source_of):
    source = source_of(HTTPClientSource)
    server.default = tools.never
    async with app.running():
        source.Trigger.fire()
        await eventually(lambda: server.seen)


async def test_a_bad_url_is_an_error_that_hides_credentials(app, pipeline, source_of):
    source_of(HTTPClientSource, url="ftp://joe:secret@host/x?token=secret")
    async with app.running():
        await eventually(pipeline.has_error)
        said = str([record.fields for record in pipeline.L.Deque])
    assert "ftp://host/x" in said
    assert "secret" not in said


async def test_read_must_be_written(app, pipeline):
    source = HTTPABCClientSource(app, pipeline)
    with pytest.raises(NotImplementedError, match="read"):
        await source.read(None)
