"""Events sent to a real server that is busy, refuses, breaks, redirects."""

from __future__ import annotations

import gzip
import json

import pytest

from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PartialWriteError,
    RejectedError,
    TransientError,
)
from bspump.abc.sink import Batch
from bspump.http import HTTPClientSink
from bspump.testing.eventually import eventually
from bspump.testing.faults import cancel_everywhere
from bspump.testing.memory_ends import MemorySource


def make(app, pipeline, url, **config):
    return HTTPClientSink(app, pipeline, config={"url": url, "retry.first": 0.01, **config})


def batch(*events):
    return Batch(list(events), [{} for _ in events])


@pytest.fixture
async def sink_of(app, pipeline, server):
    """Return what makes a connected sink; all are closed at the end."""
    made = []

    async def connect(**config):
        sink = make(app, pipeline, config.pop("url", f"{server.url}/in"), **config)
        await sink.connect()
        made.append(sink)
        return sink

    yield connect
    for sink in made:
        await sink.close()


@pytest.mark.parametrize(
    ("config", "events", "kind", "bodies"),
    [
        ({}, [{"a": 1}, {"a": 2}], "application/x-ndjson", [b'{"a":1}\n{"a":2}\n']),
        ({"body": "array"}, [{"a": 1}, 2], "application/json", [b'[{"a":1},2]']),
        ({"body": "array", "codec": "bytes"}, [b"1", b"2"], "application/json", [b"[1,2]"]),
        ({"body": "each"}, [{"a": 1}, 2], "application/json", [b'{"a":1}', b"2"]),
        ({"codec": "text"}, ["a", "b"], "text/plain; charset=utf-8", [b"a\nb\n"]),
        ({"codec": "bytes", "body": "each"}, [b"\0"], "application/octet-stream", [b"\0"]),
        ({"headers": "content-type: application/cloudevents"}, [1],
         "application/cloudevents", [b"1\n"]),
    ],
)  # fmt: skip
async def test_events_are_sent_in_the_form_that_was_asked_for(
    server, sink_of, config, events, kind, bodies
):
    sink = await sink_of(**config)
    await sink.write(batch(*events))
    assert [seen.body for seen in server.seen] == bodies
    assert {seen.headers["Content-Type"] for seen in server.seen} == {kind}
    assert {(seen.method, seen.path) for seen in server.seen} == {("POST", "/in")}


async def test_bodies_can_be_compressed(server, sink_of):
    sink = await sink_of(compression="gzip")
    await sink.write(batch({"a": "x" * 1000}))
    assert server.seen[0].headers["Content-Encoding"] == "gzip"
    # The server has expanded it on the way in.
    assert json.loads(server.seen[0].body) == {"a": "x" * 1000}
    assert int(server.seen[0].headers["Content-Length"]) < 100
    assert gzip.compress(b"")[:2] == b"\x1f\x8b"


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"auth.user": "joe", "auth.password": "pä:ss"}, "Basic am9lOnDDpDpzcw=="),
        ({"auth.token": "t0ken"}, "Bearer t0ken"),
        ({"headers": {"Authorization": "Custom x"}}, "Custom x"),
    ],
)
async def test_credentials_come_from_the_options(server, sink_of, auth, header):
    sink = await sink_of(**auth)
    await sink.write(batch(1))
    assert server.seen[0].headers["Authorization"] == header


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RejectedError), (409, RejectedError), (413, RejectedError), (422, RejectedError),
        (401, ConfigError), (403, ConfigError), (404, ConfigError), (405, ConfigError),
        (301, ConfigError), (307, ConfigError), (304, ConfigError), (501, ConfigError),
        (408, TransientError), (425, TransientError), (429, TransientError),
        (500, TransientError), (502, TransientError), (503, TransientError),
    ],
)  # fmt: skip
async def test_a_status_is_an_instruction(server, tools, sink_of, status, error):
    sink = await sink_of()
    wait = {"Retry_After": "3"} if error is TransientError else {}
    server.default = tools.answer(status, "" if status == 304 else "because", **wait)
    with pytest.raises(error) as caught:
        await sink.write(batch(1))
    assert getattr(caught.value, "retry_after_s", 3) == 3
    assert str(status) in str(caught.value)


async def test_what_a_server_says_is_shown_in_short_and_on_one_line(server, tools, sink_of):
    sink = await sink_of()
    server.default = tools.answer(400, "field `a`:\r\n\x1b[31m missing" + "x" * 1000)
    with pytest.raises(RejectedError) as caught:
        await sink.write(batch(1))
    assert "field `a`: ?[31m missing" in str(caught.value)
    assert len(str(caught.value)) < 300


async def test_a_redirect_never_counts_as_delivered(server, tools, sink_of):
    sink = await sink_of()
    server.answers.append(tools.answer(302, Location=f"{server.url}/else"))
    with pytest.raises(ConfigError, match="set the url to http"):
        await sink.write(batch(1))
    assert len(server.seen) == 1


async def test_a_lost_connection_is_not_connected(server, tools, sink_of, unused_tcp_port):
    sink = await sink_of()
    server.answers.append(tools.hang_up)
    with pytest.raises(NotConnectedError):
        await sink.write(batch(1))
    await sink.write(batch(2))
    nowhere = await sink_of(url=f"http://127.0.0.1:{unused_tcp_port}/")
    with pytest.raises(NotConnectedError):
        await nowhere.write(batch(1))


async def test_no_answer_in_time_is_transient(server, tools, sink_of):
    sink = await sink_of(**{"timeout.read": 0.05})
    server.default = tools.never
    with pytest.raises(TransientError, match="timeout"):
        await sink.write(batch(1))


async def test_an_event_that_cannot_be_written_spares_its_neighbours(server, sink_of):
    sink = await sink_of()
    with pytest.raises(PartialWriteError) as caught:
        await sink.write(batch({"a": 1}, {"b": object()}, {"c": 3}))
    assert caught.value.rejected == [1]
    assert server.seen[0].body == b'{"a":1}\n{"c":3}\n'


async def test_each_event_has_its_own_answer(server, tools, sink_of):
    sink = await sink_of(body="each")
    ok = tools.answer()
    server.answers.extend([ok, tools.answer(400), ok, tools.answer(503, Retry_After="9"), ok])
    with pytest.raises(PartialWriteError) as caught:
        await sink.write(batch(0, 1, 2, 3, 4))
    assert (caught.value.rejected, caught.value.transient) == ([1], [3, 4])
    assert caught.value.retry_after_s == 9
    assert [seen.body for seen in server.seen] == [b"0", b"1", b"2", b"3"]


async def test_events_sent_before_a_connection_broke_are_not_sent_again(server, tools, sink_of):
    sink = await sink_of(body="each")
    server.answers.extend([tools.answer(), tools.hang_up])
    with pytest.raises(PartialWriteError) as caught:
        await sink.write(batch(0, 1, 2))
    assert caught.value.transient == [1, 2]
    server.answers.append(tools.hang_up)
    with pytest.raises(NotConnectedError):
        await sink.write(batch(1, 2))


async def test_a_batch_of_slow_requests_is_split_over_the_time_limit(server, sink_of, monkeypatch):
    sink = await sink_of(body="each", write_timeout=10)
    times = iter([0, 1, 6, 7])
    monkeypatch.setattr(sink.App.Clock, "monotonic", lambda: next(times))
    with pytest.raises(PartialWriteError) as caught:
        await sink.write(batch(0, 1, 2))
    assert caught.value.transient == [2]


async def test_an_array_of_something_else_than_json_is_refused(sink_of):
    with pytest.raises(ConfigError, match="array"):
        await sink_of(body="array", codec="msgpack")


async def test_a_sink_that_is_not_connected_says_so(app, pipeline):
    sink = make(app, pipeline, "http://localhost/")
    with pytest.raises(NotConnectedError):
        await sink.write(batch(1))
    await sink.close()


async def test_cancelling_a_write_leaves_the_sink_usable(server, sink_of):
    sink = await sink_of()

    async def check():
        server.seen.clear()
        await sink.write(batch(2))
        assert [seen.body for seen in server.seen] == [b"2\n"]

    await cancel_everywhere(lambda: sink.write(batch(1)), check)


async def test_connections_are_used_again(app, pipeline, tools):
    peers = set()

    async def handle(request):
        peers.add(request.transport.get_extra_info("peername"))
        return await tools.answer(202, b"x" * 1000)(request)

    async with tools.serving(handle) as url:
        sink = make(app, pipeline, url)
        await sink.connect()
        for _ in range(5):
            await sink.write(batch(1))
        await sink.close()
    assert len(peers) == 1


async def test_a_pipeline_delivers_all_but_the_poisoned_event(app, pipeline, server, tools):
    """The server refuses a whole request for one event, is busy once, and hangs up once."""
    accepted = []

    async def picky(request):
        events = [json.loads(line) for line in server.seen[-1].body.splitlines()]
        if 13 in events:
            return await tools.answer(422)(request)
        accepted.extend(events)
        return await tools.answer(200)(request)

    server.answers.extend([tools.answer(503), tools.hang_up, tools.answer(429)])
    server.default = picky
    pipeline.handle_error = lambda *_: True
    source = MemorySource(app, pipeline, events=list(range(30)))
    pipeline.build(source, make(app, pipeline, server.url, **{"batch.max_events": 10}))
    async with app.running():
        await eventually(source.is_finished)
    assert accepted == [i for i in range(30) if i != 13]


async def test_wrong_credentials_stop_the_pipeline_and_lose_nothing(app, pipeline, server, tools):
    source = MemorySource(app, pipeline, events=[1, 2, 3])
    pipeline.build(source, make(app, pipeline, server.url))
    server.answers.append(tools.answer(401))
    async with app.running():
        await eventually(pipeline.has_error)
        pipeline.set_error(None, None, None)
        await eventually(source.is_finished)
    assert [seen.body for seen in server.seen] == [b"1\n2\n3\n"] * 2
