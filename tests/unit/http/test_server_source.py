"""A listener that answers when events are delivered, asked by real clients."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl

import aiohttp
import pytest
import trustme

import bspump
from bspump.abc.errors import ConfigErrors
from bspump.abc.processor import AsyncProcessor, Processor
from bspump.http import HTTPServerSource
from bspump.testing.eventually import eventually
from bspump.testing.faults import refuse
from bspump.testing.memory_ends import MemoryBatchSink


class Poisoned(Processor):
    """Refuses the event 13."""

    def process(self, context, event):
        if event == 13:
            raise bspump.RejectedError("unlucky")
        return event


def make(app, pipeline, **config):
    return HTTPServerSource(app, pipeline, config={"listen": "127.0.0.1:0", **config})


async def url_of(source, scheme="http"):
    address = (await eventually(lambda: source.Addresses))[0]
    return f"{scheme}://localhost:{address.sockaddr[1]}/"


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as session:
        yield session


async def post(client, url, body=b"{}", **kwargs):
    async with client.post(url, data=body, **kwargs) as response:
        return response.status, json.loads(await response.read() or b"null")


@pytest.mark.parametrize(
    ("config", "body", "events"),
    [
        ({}, b'{"a": 1}', [{"a": 1}]),
        ({"codec": "bytes"}, b"\0", [b"\0"]),
        ({"codec": "text"}, b"", [""]),
        ({"body": "lines"}, b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ({"body": "lines"}, b"", []),
        ({"body": "array"}, b"[1, 2]", [1, 2]),
    ],
)
async def test_a_body_becomes_events(app, pipeline, sink, client, config, body, events):
    source = make(app, pipeline, **config)
    pipeline.build(source, sink)
    async with app.running():
        status, _ = await post(client, await url_of(source), body)
    assert status == 200
    assert sink.Events == events


async def test_the_context_says_where_an_event_came_from_but_no_secret(app, pipeline, sink, client):
    source = make(app, pipeline, token="t0ken")
    pipeline.build(source, sink)
    async with app.running():
        url = await url_of(source)
        headers = {"authorization": "Bearer t0ken", "X-Mine": "1"}
        assert (await post(client, f"{url}?q=1", headers=headers))[0] == 200
    context = sink.Contexts[0]
    assert context["webservicesource.method"] == "POST"
    assert context["webservicesource.query"]["q"] == "1"
    assert context["webservicesource.headers"]["x-mine"] == "1"
    assert "t0ken" not in repr(context)


async def test_200_means_that_the_sink_has_written_it(app, pipeline, client):
    sink = MemoryBatchSink(app, pipeline, config={"batch.max_age": 60, "retry.first": 0.01})
    source = make(app, pipeline)
    pipeline.build(source, sink)
    async with app.running():
        refuse(sink, times=2)
        status, _ = await post(client, await url_of(source), b"1")
        assert (status, sink.Events) == (200, [1])


async def test_202_means_that_it_has_passed_the_processors(app, pipeline, client):
    sink = MemoryBatchSink(app, pipeline, config={"batch.max_age": 60})
    source = make(app, pipeline, answer="passed")
    pipeline.build(source, sink)
    async with app.running():
        status, _ = await post(client, await url_of(source), b"1")
        assert (status, sink.Events) == (202, [])
    assert sink.Events == [1]


async def test_200_comes_after_processors_that_wait(app, pipeline, sink, client):
    class Slow(AsyncProcessor):
        async def process(self, context, event):
            await asyncio.sleep(0.02)
            return event

    source = make(app, pipeline)
    pipeline.build(source, Slow(app, pipeline), sink)
    async with app.running():
        assert (await post(client, await url_of(source), b"1"))[0] == 200
        assert sink.Events == [1]


async def test_many_requests_share_the_wait_for_delivery(app, pipeline, client):
    sink = MemoryBatchSink(app, pipeline, config={"batch.max_age": 0.05})
    source = make(app, pipeline)
    pipeline.build(source, sink)
    async with app.running():
        url = await url_of(source)
        statuses = await asyncio.gather(*(post(client, url, b"%d" % i) for i in range(50)))
    assert {status for status, _ in statuses} == {200}
    assert sorted(sink.Events) == list(range(50))
    assert len(sink.Batches) < 25


@pytest.mark.parametrize(
    ("config", "body"),
    [
        ({}, b"{oops"),
        ({}, b"null"),
        ({}, b""),
        ({"body": "lines"}, b"1\n{oops\n3\n"),
        ({"body": "lines"}, b"1\nnull\n"),
        ({"body": "array"}, b'{"a": 1}'),
        ({"body": "array"}, b"[1, null]"),
    ],
)
async def test_400_means_that_nothing_of_a_broken_body_has_entered(
    app, pipeline, sink, client, config, body
):
    source = make(app, pipeline, **config)
    pipeline.build(source, sink)
    async with app.running():
        status, said = await post(client, await url_of(source), body)
        assert status == 400
        assert said["error"]
        assert not pipeline.has_error()
        assert pipeline.MetricsCounter.values["event.fail"] == 1
    assert sink.Events == []


async def test_422_names_the_events_that_were_refused(app, pipeline, sink, client):
    pipeline.handle_error = lambda *_: True
    source = make(app, pipeline, body="array")
    pipeline.build(source, Poisoned(app, pipeline), sink)
    async with app.running():
        url = await url_of(source)
        assert await post(client, url, b"[1,13,2,13]") == (
            422,
            {"error": "events were refused", "rejected": [1, 3]},
        )
        assert (await post(client, url, b"[3]"))[0] == 200
    assert sink.Events == [1, 2, 3]


async def test_an_error_that_stops_the_pipeline_is_503_until_it_is_cleared(
    app, pipeline, sink, client
):
    source = make(app, pipeline, ready_timeout="20ms")
    pipeline.build(source, Poisoned(app, pipeline), sink)
    async with app.running():
        url = await url_of(source)
        for body in (b"13", b"1"):
            async with client.post(url, data=body) as response:
                assert response.status == 503
                assert response.headers["Retry-After"] == "1"
        pipeline.set_error(None, None, None)
        assert (await post(client, url, b"1"))[0] == 200
    assert sink.Events == [1]


async def test_503_while_the_destination_is_away(app, pipeline, client):
    sink = MemoryBatchSink(app, pipeline, config={"retry.first": 0.01, "retry.longest": 0.02})
    source = make(app, pipeline, answer_timeout=0.1)
    pipeline.build(source, sink)
    async with app.running():
        url = await url_of(source)
        fault = refuse(sink, times=None)
        assert (await post(client, url, b"1"))[0] == 503
        fault.undo()
        assert (await post(client, url, b"2"))[0] == 200
        assert sink.Events == [1, 2]


async def test_a_request_waits_for_a_pipeline_that_is_held_back_for_a_moment(
    app, pipeline, sink, client
):
    source = make(app, pipeline)
    pipeline.build(source, sink)
    async with app.running():
        url = await url_of(source)
        pipeline.throttle("test")
        request = asyncio.get_running_loop().create_task(post(client, url))
        await asyncio.sleep(0.02)
        assert not request.done()
        pipeline.throttle("test", False)
        assert (await request)[0] == 200


async def test_more_requests_than_allowed_have_to_wait(app, pipeline, sink, client):
    source = make(app, pipeline, max_requests=1, ready_timeout=0.05)
    pipeline.build(source, sink)
    async with app.running():
        url = await url_of(source)

        async def slow():
            yield b"1"
            await asyncio.sleep(0.3)

        first = asyncio.get_running_loop().create_task(post(client, url, slow()))
        await asyncio.sleep(0.02)
        assert (await post(client, url))[0] == 503
        assert (await first)[0] == 200
        assert (await post(client, url, b"2"))[0] == 200


async def test_a_body_that_is_too_long_is_413_also_when_it_is_compressed(
    app, pipeline, sink, client
):
    source = make(app, pipeline, max_body_bytes="1KiB", codec="bytes")
    pipeline.build(source, sink)
    async with app.running():
        url = await url_of(source)
        async with client.post(url, data=b"x" * 5000) as response:
            assert response.status == 413
        packed = gzip.compress(b"x" * 5_000_000)
        async with client.post(url, data=packed, headers={"Content-Encoding": "gzip"}) as response:
            assert response.status == 413
        small = gzip.compress(b"x" * 500)
        assert (await post(client, url, small, headers={"Content-Encoding": "gzip"}))[0] == 200
    assert sink.Events == [b"x" * 500]


async def test_a_body_that_does_not_come_is_408(app, pipeline, sink, client):
    source = make(app, pipeline, answer_timeout=0.05)
    pipeline.build(source, sink)

    async def never():
        yield b"{"
        await asyncio.sleep(60)

    async with app.running():
        assert (await post(client, await url_of(source), never()))[0] == 408


async def test_a_client_that_leaves_early_has_sent_nothing(app, pipeline, sink, client):
    source = make(app, pipeline, codec="bytes")
    pipeline.build(source, sink)
    async with app.running():
        url = await url_of(source)
        port = source.Addresses[0].sockaddr[1]
        for cut in range(1, 60, 7):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789"
            writer.write(request[:cut])
            await writer.drain()
            writer.transport.abort()
        assert (await post(client, url, b"whole"))[0] == 200
        assert sink.Events == [b"whole"]


@pytest.mark.parametrize(
    "shown", [None, "Bearer wrong", "Bearer ", "t0ken", "Basic t0ken", "Bearer ž"]
)
async def test_401_without_the_token(app, pipeline, sink, client, shown):
    source = make(app, pipeline, token="t0ken")
    pipeline.build(source, sink)
    headers = {} if shown is None else {"Authorization": shown}
    async with app.running():
        response = await client.post(await url_of(source), data=b"1", headers=headers)
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert sink.Events == []


async def test_a_web_page_needs_a_token(app, pipeline, sink, client):
    source = make(app, pipeline)
    pipeline.build(source, sink)
    async with app.running():
        url = await url_of(source)
        headers = {"Origin": "https://evil.example"}
        assert (await post(client, url, b"1", headers=headers))[0] == 403
        async with client.get(url) as response:
            assert response.status == 405
        async with client.post(f"{url}else", data=b"1") as response:
            assert response.status == 404
    assert sink.Events == []


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "*:0", "[::]:0", "192.0.2.1 80", "example.org:80"])
async def test_listening_to_the_world_without_a_token_is_refused(app, pipeline, sink, listen):
    pipeline.build(make(app, pipeline, listen=listen), sink)
    with pytest.raises(ConfigErrors, match="lets anybody in"):
        async with app.running():
            pass


async def test_listening_to_the_world_with_a_token_is_fine(app, pipeline, sink, client):
    source = make(app, pipeline, listen="*:0", token="t0ken")
    pipeline.build(source, sink)
    async with app.running():
        headers = {"Authorization": "Bearer t0ken"}
        assert (await post(client, await url_of(source), headers=headers))[0] == 200


async def test_it_listens_on_a_unix_socket_too(app, pipeline, sink, tmp_path):
    path = str(tmp_path / "socket")
    source = make(app, pipeline, listen=path)
    pipeline.build(source, sink)
    async with app.running():
        await eventually(lambda: source.Addresses)
        connector = aiohttp.UnixConnector(path)
        async with aiohttp.ClientSession(connector=connector) as session:
            assert (await post(session, "http://localhost/"))[0] == 200
    assert not (tmp_path / "socket").exists()


async def test_it_speaks_tls_and_can_ask_clients_for_a_certificate(
    app, pipeline, sink, client, tmp_path
):
    authority = trustme.CA()
    files = {name: str(tmp_path / name) for name in ("ca", "server", "client")}
    authority.cert_pem.write_to_path(files["ca"])
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(files["server"])
    authority.issue_cert("me@localhost").private_key_and_cert_chain_pem.write_to_path(
        files["client"]
    )
    source = make(app, pipeline, **{"tls.cert": files["server"], "tls.ca": files["ca"]})
    pipeline.build(source, sink)
    context = ssl.create_default_context(cafile=files["ca"])
    async with app.running():
        url = await url_of(source, "https")
        with pytest.raises(aiohttp.ClientError):
            await post(client, url, ssl=context)
        known = ssl.create_default_context(cafile=files["ca"])
        known.load_cert_chain(files["client"])
        assert (await post(client, url, ssl=known))[0] == 200


async def test_requests_that_have_begun_are_finished_when_it_stops(app, pipeline, client):
    sink = MemoryBatchSink(app, pipeline, config={"batch.max_age": 60, "retry.first": 0.05})
    source = make(app, pipeline)
    pipeline.build(source, sink)
    async with app.running():
        url = await url_of(source)
        fault = refuse(sink, times=1)
        request = asyncio.get_running_loop().create_task(post(client, url, b"1"))
        await eventually(lambda: fault.struck)
    assert (await request)[0] == 200
    assert sink.Events == [1]


async def test_an_address_in_use_is_an_error_that_names_it(app, pipeline, sink, unused_tcp_port):
    taken = await asyncio.get_running_loop().create_server(
        asyncio.Protocol, "127.0.0.1", unused_tcp_port
    )
    source = make(app, pipeline, listen=f"127.0.0.1:{unused_tcp_port}")
    pipeline.build(source, sink)
    async with app.running():
        await eventually(pipeline.has_error)
        said = str([record.fields for record in pipeline.L.Deque])
        assert f"127.0.0.1 {unused_tcp_port}" in said
        taken.close()
        await taken.wait_closed()
        pipeline.set_error(None, None, None)
        await eventually(lambda: source.Addresses)
        assert source.rest_get()["addresses"] == [f"127.0.0.1 {unused_tcp_port}"]
