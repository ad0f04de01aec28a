"""Sources that cannot bring their input again, with a disk buffer behind them."""

from __future__ import annotations

import asyncio
import socket

import aiohttp

from bspump.http import HTTPServerSource
from bspump.ipc import DatagramSource, StreamServerSource
from bspump.testing import eventually


async def come_out(harness, expected):
    await eventually(lambda: len(harness.out()) >= len(expected))
    assert harness.out() == expected


async def test_lines_by_tcp_are_kept(buffered, free_port):
    def source(app, pipeline):
        config = {"address": f"127.0.0.1 {free_port}"}
        return StreamServerSource(app, pipeline, config=config)

    async with buffered.running(source) as harness:
        await eventually(lambda: harness.inner.Addresses)
        harness.pipeline_.throttle("test")
        _, writer = await asyncio.open_connection("127.0.0.1", free_port)
        writer.write(b"".join(b"line %d\n" % n for n in range(1000)))
        await writer.drain()
        await eventually(lambda: harness.buffer.rest_get()["events"] == 1000)
        writer.close()
    async with buffered.running(source) as harness:
        await come_out(harness, [f"line {n}" for n in range(1000)])
        await eventually(lambda: harness.inner.Addresses)


async def test_datagrams_are_kept(buffered, free_port):
    def source(app, pipeline):
        return DatagramSource(app, pipeline, config={"address": f"127.0.0.1 {free_port}"})

    async with buffered.running(source) as harness:
        await eventually(lambda: harness.inner.Addresses)
        harness.pipeline_.throttle("test")
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            for n in range(10):
                udp.sendto(b"%d" % n, ("127.0.0.1", free_port))
        await eventually(lambda: harness.buffer.rest_get()["events"] == 10)
        harness.pipeline_.throttle("test", False)
        await come_out(harness, [b"%d" % n for n in range(10)])


async def test_a_webhook_is_answered_when_the_event_is_on_the_disk(buffered, free_port):
    def source(app, pipeline):
        config = {
            "listen": f"127.0.0.1:{free_port}",
            "ready_timeout": "100ms",
            "answer_timeout": 0.2,
        }
        return HTTPServerSource(app, pipeline, config=config)

    async with (
        buffered.running(source, max_bytes=20_000) as harness,
        aiohttp.ClientSession() as session,
    ):
        await eventually(lambda: harness.inner.Addresses)
        harness.pipeline_.throttle("test")

        async def post(event):
            async with session.post(f"http://127.0.0.1:{free_port}/", json=event) as response:
                return response.status

        statuses = [await post({"n": n, "pad": "x" * 2000}) for n in range(5)]
        assert statuses == [200] * 5
        assert harness.buffer.rest_get()["events"] == 5
        while (status := await post({"pad": "x" * 2000})) == 200:
            assert harness.buffer.rest_get()["size_bytes"] <= 20_000
        assert status == 503
        assert await post({}) == 503
        harness.pipeline_.throttle("test", False)
        await eventually(lambda: len(harness.out()) >= 5)
        assert [event["n"] for event in harness.out()[:5]] == list(range(5))
