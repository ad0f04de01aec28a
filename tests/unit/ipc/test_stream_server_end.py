"""The stream server source: backpressure, and how it ends."""

from __future__ import annotations

import asyncio
import os
import resource
import socket

import pytest

from bspump.clients.sockets import serving, stream_server
from bspump.ipc import StreamServerSource
from bspump.testing import eventually


async def _send(port: int, data: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.close()
    await writer.wait_closed()


async def test_a_pipeline_that_is_not_ready_holds_the_peer_back(pump, port):
    source = await pump.serve(StreamServerSource, decode="bytes")
    pump.pipeline.throttle("test")
    lines = [b"%0100d\n" % i for i in range(200_000)]
    sending = asyncio.create_task(_send(port(source), b"".join(lines)))
    done, _ = await asyncio.wait([sending], timeout=0.1)
    assert not done
    assert pump.events == []
    pump.pipeline.throttle("test", False)
    assert await pump.got(len(lines)) == [line[:-1] for line in lines]
    await sending


async def test_what_has_arrived_is_processed_when_it_stops(pump, port):
    source = await pump.serve(StreamServerSource)
    pump.pipeline.throttle("test")
    reader, writer = await asyncio.open_connection("127.0.0.1", port(source))
    writer.write(b"".join(b"%d\n" % i for i in range(10_000)) + b"half")
    await writer.drain()
    await eventually(lambda: source.rest_get()["connections"])
    stopping = asyncio.create_task(pump.stop())
    await eventually(lambda: not source.Addresses)
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection(*writer.get_extra_info("peername"))
    pump.pipeline.throttle("test", False)
    await stopping
    assert pump.events == [str(i) for i in range(10_000)]
    assert [event for _, _, event in pump.rejected] == [b"half"]
    assert await reader.read() == b""
    writer.close()


async def test_a_peer_that_never_stops_sending_does_not_keep_it_from_stopping(pump, port):
    source = await pump.serve(StreamServerSource, decode="bytes")
    _, writer = await asyncio.open_connection("127.0.0.1", port(source))

    async def send_for_ever():
        while True:
            writer.write(b"line\n" * 10_000)
            await writer.drain()

    sending = asyncio.create_task(send_for_ever())
    await pump.got(1)
    await asyncio.wait_for(pump.stop(), 5)
    assert set(pump.events) == {b"line"}
    with pytest.raises(ConnectionError):
        await sending
    writer.close()


async def test_an_error_of_the_pipeline_does_not_hold_up_the_stop_of_idle_connections(pump, port):
    source = await pump.serve(StreamServerSource)
    _, writer = await asyncio.open_connection("127.0.0.1", port(source))
    await eventually(lambda: source.rest_get()["connections"])
    pump.pipeline.set_error(None, None, RuntimeError("on purpose"))
    await asyncio.wait_for(pump.stop(), 2)
    writer.close()


async def test_it_can_be_stopped_and_started_again(pump, port):
    source = await pump.serve(StreamServerSource)
    await _send(port(source), b"one\n")
    await pump.got(1)
    await source.stop()
    assert source.Addresses == []
    source.start()
    await eventually(lambda: source.Addresses)
    await _send(port(source), b"two\n")
    assert await pump.got(2) == ["one", "two"]


async def test_an_error_of_the_pipeline_that_stays_ends_the_waiting(pump, port, monkeypatch):
    monkeypatch.setattr(serving, "_CLEAR_S", 0.05)
    source = await pump.serve(StreamServerSource)
    pump.pipeline.set_error(None, None, RuntimeError("on purpose"))
    await _send(port(source), b"this comes too late\n")
    await eventually(lambda: source.rest_get()["connections"])
    await asyncio.wait_for(pump.stop(), 2)
    assert pump.events == []
    assert any("cut off" in record.getMessage() for record in pump.pipeline.L.Deque)


async def test_whoever_cancels_it_twice_does_not_want_to_wait(pump, port):
    source = await pump.serve(StreamServerSource)
    pump.pipeline.throttle("test")
    await _send(port(source), b"waiting\n")
    await eventually(lambda: source.rest_get()["connections"])
    source.Task.cancel()
    await eventually(lambda: not source.Addresses)
    source.Task.cancel()
    await asyncio.wait([source.Task], timeout=2)
    assert source.Task.done()
    assert source.rest_get()["connections"] == 0
    pump.pipeline.throttle("test", False)


async def test_a_file_limit_that_is_reached_is_waited_out(pump, port, monkeypatch):
    monkeypatch.setattr(stream_server, "_EXHAUSTED_S", 0.01)
    source = await pump.serve(StreamServerSource)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as peer:
        # The lowest number that is free is the one that a connection would get.
        lowest_free = os.dup(peer.fileno())
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
        try:
            peer.connect(("127.0.0.1", port(source)))
            peer.sendall(b"patience\n")
            await eventually(lambda: "cannot accept connections" in _logged(pump))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert await pump.got(1) == ["patience"]


def _logged(pump) -> list[str]:
    return [record.getMessage() for record in pump.pipeline.L.Deque]
