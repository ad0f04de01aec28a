"""The stream client sink: what is written, and what becomes of it when the server leaves."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from bspump.abc.errors import ConfigError, NotConnectedError, PartialWriteError
from bspump.abc.sink import Batch
from bspump.ipc import StreamClientSink, StreamServerSource, StreamSink
from bspump.testing import eventually
from bspump.testing.faults import cancel_everywhere


def _batch(*events) -> Batch:
    return Batch(events, [{} for _ in events])


async def _start(pump, sink: StreamClientSink) -> None:
    await pump.start(pump.make(StreamServerSource, address="127.0.0.1 0"), sink)


def test_the_older_name_is_the_same_class():
    assert StreamSink is StreamClientSink


async def test_events_are_written_as_they_are_and_without_delay(pump, server, sink):
    await _start(pump, sink(server.address))
    for event in (b"bytes\n", "žluť\n", bytearray(b"array")):
        await pump.pipeline.process(event)
    await eventually(lambda: server.received == "bytes\nžluť\narray".encode(), within_s=0.5)


@pytest.mark.parametrize(
    ("framing", "written"),
    [
        ("line", b"one\ntwo\n"),
        ("length", b"\0\0\0\x03one\0\0\0\x03two"),
        ("netstring", b"3:one,3:two,"),
        ("octets", b"3 one3 two"),
    ],
)
async def test_a_framing_tells_events_apart(pump, server, sink, framing, written):
    await _start(pump, sink(server.address, framing=framing))
    await pump.pipeline.process_many(["one", "two"])
    await eventually(lambda: server.received == written)


async def test_an_event_that_cannot_be_written_is_rejected_and_spares_its_neighbours(
    pump, server, sink
):
    await _start(pump, sink(server.address, framing="line"))
    await pump.pipeline.process_many(["one", {"a": 1}, "two\nlines", "three"])
    await eventually(lambda: server.received == b"one\nthree\n")
    assert [event for _, _, event in pump.rejected] == [{"a": 1}, "two\nlines"]


async def test_what_is_written_while_nobody_listens_arrives_later(pump, server, sink):
    port = server.port
    await server.stop()
    await _start(pump, sink(f"127.0.0.1 {port}", framing="line"))
    await pump.pipeline.process_many(["one", "two"])
    await asyncio.sleep(0.02)
    await server.start(port)
    await eventually(lambda: server.received == b"one\ntwo\n")


async def test_it_notices_that_the_server_was_restarted_before_it_writes(pump, server, sink):
    port = server.port
    await _start(pump, sink(server.address, framing="line"))
    await pump.pipeline.process("one")
    await eventually(lambda: server.received == b"one\n")
    await server.stop()
    await server.start(port)
    await pump.pipeline.process("two")
    await eventually(lambda: server.received == b"one\ntwo\n")


async def test_a_batch_that_a_reset_cut_is_written_again_as_a_whole(pump, sink):
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        written = sink(f"127.0.0.1 {listener.getsockname()[1]}")
        await written.connect()
        first, _ = await loop.sock_accept(listener)
        events = [bytes(1 << 16)] * 200
        writing = asyncio.create_task(written.write(_batch(*events)))
        await asyncio.sleep(0.01)
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        with pytest.raises(NotConnectedError, match="127"):
            await writing
        await written.close()
        await written.connect()
        second, _ = await loop.sock_accept(listener)
        second.setblocking(False)
        writing = asyncio.create_task(written.write(_batch(*events)))
        received = 0
        while received < len(events) << 16:
            received += len(await loop.sock_recv(second, 1 << 20))
        await writing
        await written.close()
        second.close()


async def test_a_slow_server_holds_the_pipeline_back_and_gets_everything(pump, server, sink):
    server.reading.clear()
    await _start(pump, sink(server.address, **{"batch.max_bytes": "100KiB"}))
    events = [b"%010000d\n" % i for i in range(2000)]
    feeding = asyncio.create_task(pump.pipeline.process_many(events))
    await eventually(lambda: not pump.pipeline.is_ready())
    await asyncio.sleep(0.05)
    assert not feeding.done()
    server.reading.set()
    await feeding
    await eventually(lambda: len(server.received) == sum(map(len, events)))
    assert server.received == b"".join(events)


async def test_everything_is_with_the_server_when_the_pipeline_has_stopped(pump, server, sink):
    await _start(pump, sink(server.address, framing="line"))
    events = [f"{i:0100d}" for i in range(20_000)]
    await pump.pipeline.process_many(events)
    await pump.stop()
    await eventually(lambda: len(server.received) == 101 * len(events))
    assert server.received.decode().splitlines() == events


async def test_what_the_server_says_is_thrown_away(pump, server, sink):
    written = sink(server.address)
    await written.connect()
    await eventually(lambda: server.connections)
    server.connections[0].write(bytes(1 << 20))
    for _ in range(20):
        await written.write(_batch(b"x"))
        await asyncio.sleep(0)
    await eventually(lambda: server.received == b"x" * 20)
    await written.close()
    await written.close()


async def test_a_server_that_has_closed_its_side_counts_as_gone(pump, server, sink):
    written = sink(server.address)
    await written.connect()
    await eventually(lambda: server.connections)
    server.connections[0].write_eof()
    await asyncio.sleep(0.01)
    with pytest.raises(NotConnectedError, match="closed"):
        await written.write(_batch(b"x"))
    await written.close()


async def test_a_write_that_is_cancelled_anywhere_leaves_it_usable(pump, server, sink):
    written = sink(server.address)
    await written.connect()
    checks = 0

    async def check() -> None:
        nonlocal checks
        checks += 1
        await written.close()
        await written.connect()
        await written.write(_batch(b"marker"))
        await eventually(lambda: server.received.count(b"marker") == checks)

    await cancel_everywhere(lambda: written.write(_batch(bytes(4 << 20))), check)
    assert checks >= 2
    await written.close()


async def test_a_batch_that_was_cut_short_is_not_followed_by_another(pump, server, sink):
    server.reading.clear()
    written = sink(server.address)
    await written.connect()
    writing = asyncio.create_task(written.write(_batch(*[bytes(1 << 16)] * 200)))
    await asyncio.sleep(0.01)
    writing.cancel()
    await asyncio.wait([writing])
    with pytest.raises(NotConnectedError, match="not taken in time"):
        await written.write(_batch(b"next"))
    server.reading.set()
    await written.close()


async def test_the_first_server_that_answers_is_taken(pump, server, sink):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"127.0.0.1 {closed.getsockname()[1]}"
    await _start(pump, sink(f"{dead}, {server.address}"))
    await pump.pipeline.process(b"hello")
    await eventually(lambda: server.received == b"hello")


async def test_a_unix_socket_is_written_to(pump, sink, short_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(short_path)
        listener.listen()
        listener.setblocking(False)
        await _start(pump, sink(short_path))
        await pump.pipeline.process(b"hello")
        loop = asyncio.get_running_loop()
        accepted, _ = await loop.sock_accept(listener)
        accepted.setblocking(False)
        assert await loop.sock_recv(accepted, 100) == b"hello"
        accepted.close()


async def test_the_older_option_limits_the_batch(pump, sink):
    written = sink("127.0.0.1 9", outbound_queue_max_size="100")
    assert written.Options.batch.max_events == 100


async def test_an_address_that_is_none_is_a_configuration_error(pump, sink):
    with pytest.raises(ConfigError, match="nowhere"):
        sink("nowhere")


async def test_a_rejected_event_does_not_hide_a_lost_connection(pump, server, sink):
    written = sink(server.address)
    await written.connect()
    with pytest.raises(PartialWriteError):
        await written.write(_batch(b"x", 42))
    await eventually(lambda: server.received == b"x")
    await server.stop()
    with pytest.raises(NotConnectedError):
        await written.write(_batch(b"x", 42))
    await written.close()
