"""The source and the sink of datagrams."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from bspump.abc.errors import NotConnectedError, PartialWriteError, RejectedError, TransientError
from bspump.abc.sink import Batch
from bspump.ipc import DatagramSink, DatagramSource
from bspump.socket import UDPSource
from bspump.testing import eventually


@pytest.fixture
def sender():
    """Return a UDP socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


def _batch(*events) -> Batch:
    return Batch(events, [{} for _ in events])


def test_the_older_name_is_the_same_class():
    assert UDPSource is DatagramSource


async def test_each_datagram_becomes_an_event_with_its_sender(pump, port, sender):
    source = await pump.serve(DatagramSource)
    for payload in (b"one", b"", b"three\n"):
        sender.sendto(payload, ("127.0.0.1", port(source)))
    assert await pump.got(3) == [b"one", b"", b"three\n"]
    assert pump.contexts[0] == {"datagram": sender.getsockname()}
    assert pump.contexts[0] is not pump.contexts[1]


async def test_several_addresses_are_read_at_once(pump, port, sender, short_path):
    source = await pump.serve(DatagramSource, address=f"127.0.0.1 0, [::1]:0\n{short_path}")
    sender.sendto(b"four", ("127.0.0.1", port(source)))
    await pump.got(1)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sixth:
        sixth.sendto(b"six", ("::1", port(source, 1)))
    await pump.got(2)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
        unix.sendto(b"unix", short_path)
    assert await pump.got(3) == [b"four", b"six", b"unix"]
    assert pump.contexts[2] == {"datagram": None}


async def test_a_datagram_that_is_too_long_is_rejected_and_not_cut(pump, port, sender):
    source = await pump.serve(DatagramSource, max_packet_size="100")
    for payload in (b"x" * 100, b"y" * 101, b"z"):
        sender.sendto(payload, ("127.0.0.1", port(source)))
    assert await pump.got(2) == [b"x" * 100, b"z"]
    assert "at most 100 bytes" in pump.rejected[0][0]
    assert not pump.pipeline.has_error()


async def test_nothing_is_read_while_the_pipeline_is_not_ready(pump, port, sender):
    source = await pump.serve(DatagramSource)
    pump.pipeline.throttle("test")
    sender.sendto(b"kept by the kernel", ("127.0.0.1", port(source)))
    await asyncio.sleep(0.02)
    assert pump.events == []
    pump.pipeline.throttle("test", False)
    assert await pump.got(1) == [b"kept by the kernel"]


async def test_what_the_kernel_has_received_is_processed_when_it_stops(pump, port, sender):
    source = await pump.serve(DatagramSource, receiver_buffer_size="1MiB")
    pump.pipeline.throttle("test")
    sent = [b"%d" % i for i in range(200)]
    for payload in sent:
        sender.sendto(payload, ("127.0.0.1", port(source)))
    stopping = asyncio.create_task(pump.stop())
    await asyncio.sleep(0.02)
    pump.pipeline.throttle("test", False)
    await stopping
    assert pump.events == sent
    assert source.Addresses == []


async def test_an_error_of_the_pipeline_does_not_hold_up_the_stop_without_input(pump):
    await pump.serve(DatagramSource)
    pump.pipeline.set_error(None, None, RuntimeError("on purpose"))
    await asyncio.wait_for(pump.stop(), 2)


async def test_a_port_that_is_taken_is_an_error_of_the_pipeline(pump, sender):
    address = f"127.0.0.1 {sender.getsockname()[1]}"
    await pump.serve(DatagramSource, address=address)
    assert address in str(pump.pipeline.Failed[0])


# The sink


@pytest.fixture
async def receiver():
    """Return a UDP socket that receives."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


def _sink(pump, address: str) -> DatagramSink:
    return pump.make(DatagramSink, address=address, **{"retry.first": "10ms"})


def _address(sock: socket.socket) -> str:
    return f"127.0.0.1 {sock.getsockname()[1]}"


async def test_each_event_is_sent_as_one_datagram_without_delay(pump, receiver):
    source = pump.make(DatagramSource, address="127.0.0.1 0")
    await pump.start(source, _sink(pump, _address(receiver)))
    loop = asyncio.get_running_loop()
    for event in (b"bytes", "žluť", bytearray(b"array"), memoryview(b"view")):
        await pump.pipeline.process(event)
        got = await asyncio.wait_for(loop.sock_recv(receiver, 100), 0.5)
        assert got == (event.encode() if isinstance(event, str) else bytes(event))


async def test_an_event_that_cannot_be_sent_is_rejected_and_spares_its_neighbours(pump, receiver):
    sink = _sink(pump, _address(receiver))
    await sink.connect()
    with pytest.raises(PartialWriteError) as caught:
        await sink.write(_batch(b"one", bytes(70_000), 42, "\udc00", b"two"))
    assert caught.value.rejected == [1, 2, 3]
    assert [receiver.recv(10) for _ in range(2)] == [b"one", b"two"]
    await sink.close()


async def test_what_nobody_received_yet_waits_for_a_receiver(pump, short_path):
    source = pump.make(DatagramSource, address="127.0.0.1 0")
    sink = _sink(pump, short_path)
    await pump.start(source, sink)
    await pump.pipeline.process_many([b"one", b"two"])
    await asyncio.sleep(0.02)
    assert await _received(short_path, 2) == [b"one", b"two"]
    await pump.pipeline.process(b"three")
    await asyncio.sleep(0.02)
    assert await _received(short_path, 1) == [b"three"]


async def _received(path: str, count: int) -> list[bytes]:
    """Listen at `path` for so many datagrams, and leave."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.setblocking(False)
        got = [await asyncio.wait_for(loop.sock_recv(sock, 100), 5) for _ in range(count)]
    _remove(path)
    return got


def _remove(path: str) -> None:
    Path(path).unlink()


async def test_only_what_was_not_sent_is_sent_again(pump, short_path):
    sink = _sink(pump, short_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(short_path)
        await sink.connect()
        await sink.write(_batch(b"one"))
    with pytest.raises(PartialWriteError) as caught:
        await sink.write(_batch(b"two", 42, b"three"))
    assert isinstance(caught.value.errors[0], TransientError)
    with pytest.raises(NotConnectedError):
        await sink.write(_batch(b"two"))
    with pytest.raises(NotConnectedError, match=short_path):
        await sink.connect()


async def _write_until_refused(sink: DatagramSink) -> None:
    for _ in range(100):
        await sink.write(_batch(b"x", b"y"))


async def test_a_refused_udp_datagram_is_tried_again(pump, receiver):
    address = _address(receiver)
    receiver.close()
    sink = _sink(pump, address)
    await sink.connect()
    with pytest.raises(PartialWriteError) as caught:
        await _write_until_refused(sink)
    assert caught.value.rejected == []
    await sink.write(_batch())
    await sink.close()
    await sink.close()


async def test_a_full_receiver_holds_the_sink_back_and_nothing_is_lost(pump, short_path):
    sink = _sink(pump, short_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(short_path)
        sock.setblocking(False)
        await sink.connect()
        events = [b"%d" % i for i in range(2000)]
        writing = asyncio.create_task(sink.write(_batch(*events)))
        await asyncio.sleep(0.01)
        assert not writing.done()
        loop = asyncio.get_running_loop()
        got = [await asyncio.wait_for(loop.sock_recv(sock, 100), 5) for _ in events]
        await writing
        assert got == events
    await sink.close()


async def test_a_name_that_does_not_exist_is_tried_again(pump):
    sink = _sink(pump, "no-such-host.invalid 9")
    with pytest.raises(NotConnectedError, match="no-such-host"):
        await sink.connect()
    await sink.close()


async def test_a_rejected_event_does_not_stop_the_source_of_others(pump, receiver):
    source = pump.make(DatagramSource, address="127.0.0.1 0")
    await pump.start(source, _sink(pump, _address(receiver)))
    await pump.pipeline.process_many([{"a": 1}, b"fine"])
    loop = asyncio.get_running_loop()
    assert await asyncio.wait_for(loop.sock_recv(receiver, 100), 5) == b"fine"
    await eventually(lambda: pump.rejected)
    reason, _, event = pump.rejected[0]
    assert "bytes or text" in reason
    assert event == {"a": 1}
    assert isinstance(RejectedError(reason), RejectedError)
