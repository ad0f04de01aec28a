"""HTTP from end to end, with other implementations on the other side, and with outages between."""

from __future__ import annotations

import asyncio
import http.server
import json
import shutil
import threading

import aiohttp
import pytest

import bspump
from bspump.abc.trigger import Trigger
from bspump.http import HTTPClientLineSource, HTTPClientSink, HTTPServerSource
from bspump.testing.eventually import eventually
from bspump.testing.memory_ends import MemorySink, MemorySource


class OtherHandler(http.server.BaseHTTPRequestHandler):
    """A server of the standard library: it answers in HTTP/1.0 and closes each connection."""

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        for i in range(2000):
            self.wfile.write(b"line %d\n" % i)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def other_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherHandler)
    server.bodies = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_address[1]}/"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_another_server_takes_events_and_gives_lines(other_server):
    app = bspump.BSPumpApplication(args=[])
    out, into = bspump.Pipeline(app, "Out"), bspump.Pipeline(app, "In")
    for pipeline in (out, into):
        app.PumpService.add_pipeline(pipeline)
    source = MemorySource(app, out, events=[{"n": i} for i in range(2500)])
    out.build(source, HTTPClientSink(app, out, config={"url": other_server.url}))
    lines = HTTPClientLineSource(app, into, config={"url": other_server.url})
    trigger, sink = Trigger(app), MemorySink(app, into)
    into.build(lines.on(trigger), sink)
    async with app.running():
        trigger.fire()
        await eventually(source.is_finished)
        await eventually(lambda: len(sink.Events) == 2000)
    received = [json.loads(line) for body in other_server.bodies for line in body.splitlines()]
    assert received == [{"n": i} for i in range(2500)]
    assert sink.Events == [f"line {i}" for i in range(2000)]


@pytest.mark.integration
async def test_curl_is_answered_when_its_event_is_delivered(tmp_path):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    app = bspump.BSPumpApplication(args=[])
    pipeline = bspump.Pipeline(app, "Test")
    app.PumpService.add_pipeline(pipeline)
    config = {"listen": "127.0.0.1:0", "token": "t0ken", "body": "lines", "max_body_bytes": "10MB"}
    source, sink = HTTPServerSource(app, pipeline, config=config), MemorySink(app, pipeline)
    pipeline.build(source, sink)
    # Long enough for curl to ask first whether it may send (`Expect: 100-continue`).
    body = tmp_path / "body"
    body.write_text("".join(f'{{"n":{i},"x":"{"x" * 100}"}}\n' for i in range(20_000)))
    async with app.running():
        address = (await eventually(lambda: source.Addresses))[0]
        url = f"http://127.0.0.1:{address.sockaddr[1]}/"
        process = await asyncio.create_subprocess_exec(
            curl, "-s", "-w", "%{http_code}", "-H", "Authorization: Bearer t0ken",
            "--data-binary", f"@{body}", url, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await process.communicate()
        assert said == b"{}200"
        assert [event["n"] for event in sink.Events] == list(range(20_000))


async def test_what_was_answered_by_200_has_arrived_two_hops_away_in_spite_of_outages(
    unused_tcp_port,
):
    """Client -> listener -> sink -> listener -> memory, while the second hop goes away."""
    app = bspump.BSPumpApplication(args=[])
    first, second = bspump.Pipeline(app, "First"), bspump.Pipeline(app, "Second")
    for pipeline in (first, second):
        app.PumpService.add_pipeline(pipeline)
    fast = {"batch.max_age": 0.01, "retry.first": 0.01, "retry.longest": 0.05}
    hop = {"url": f"http://127.0.0.1:{unused_tcp_port}/", **fast}
    front = HTTPServerSource(app, first, config={"listen": "127.0.0.1:0"})
    first.build(front, HTTPClientSink(app, first, config=hop))
    back = HTTPServerSource(
        app, second, config={"listen": f"127.0.0.1:{unused_tcp_port}", "body": "lines"}
    )
    memory = MemorySink(app, second)
    second.build(back, memory)
    confirmed, is_over = [], False

    async def send(session, url, numbers):
        for number in numbers:
            async with session.post(url, data=b"%d" % number) as response:
                assert response.status == 200
            confirmed.append(number)

    async def outages():
        while not is_over:
            await second.stop()
            await asyncio.sleep(0.02)
            second.start()
            await eventually(lambda: back.Addresses)
            await asyncio.sleep(0.02)

    async with app.running():
        address = (await eventually(lambda: front.Addresses))[0]
        url = f"http://127.0.0.1:{address.sockaddr[1]}/"
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            trouble = group.create_task(outages())
            await asyncio.gather(*(send(session, url, range(k, 60, 6)) for k in range(6)))
            is_over = True
            await trouble
        assert sorted(confirmed) == list(range(60))
        assert set(memory.Events) == set(range(60))
