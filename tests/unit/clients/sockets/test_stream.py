"""Streams: what arrives, what is sent, and how they end."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from bspump.clients.sockets.stream import CHUNK_BYTES, Stream

DEADLINE_S = 10


async def test_what_arrives_is_returned_and_then_the_end(pair):
    stream, peer = pair
    peer.send(b"one")
    assert await stream.recv() == b"one"
    peer.send(b"two")
    peer.shutdown(socket.SHUT_WR)
    assert await stream.recv(2) == b"tw"
    assert await stream.recv() == b"o"
    assert not stream.has_peer_ended
    assert await stream.recv() == b""
    assert stream.has_peer_ended
    assert await stream.recv() == b""


async def test_nothing_to_read_is_not_the_end(pair):
    stream, peer = pair
    assert stream.recv_nowait() is None
    peer.close()
    assert stream.recv_nowait() == b""


async def test_a_read_that_is_cancelled_loses_nothing(pair):
    stream, peer = pair
    reading = asyncio.create_task(stream.recv())
    await asyncio.sleep(0)
    peer.send(b"kept")
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await stream.recv() == b"kept"


async def test_exactly_so_many_bytes_are_returned_or_what_had_come(pair):
    stream, peer = pair
    peer.send(b"abcdef")
    assert await stream.recv_exactly(4) == b"abcd"
    peer.close()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await stream.recv_exactly(4)
    assert caught.value.partial == b"ef"


async def test_a_buffer_can_be_read_into(pair):
    stream, peer = pair
    peer.send(b"abc")
    buffer = bytearray(8)
    assert await stream.recv_into(buffer) == 3
    assert buffer == b"abc" + bytes(5)


async def test_an_ended_input_gives_what_has_arrived_and_no_more(pair):
    stream, peer = pair
    peer.send(b"arrived")
    stream.end_input()
    peer.send(b" too late")
    assert await stream.recv(4) == b"arri"
    assert await stream.recv() == b"ved"
    assert await stream.recv() == b""
    assert not await stream.readable()
    assert not stream.has_peer_ended


async def test_ending_the_input_wakes_the_reader(pair):
    stream, _ = pair
    reading = asyncio.create_task(stream.recv())
    await asyncio.sleep(0)
    stream.end_input()
    assert await asyncio.wait_for(reading, DEADLINE_S) == b""


async def test_more_than_the_kernel_takes_is_sent_as_the_peer_reads(pair):
    stream, peer = pair
    data = bytes(range(256)) * (1 << 13)
    assert stream.send(data)
    assert stream.outbound_bytes > 0
    loop, got = asyncio.get_running_loop(), bytearray()
    while len(got) < len(data):
        got += await loop.sock_recv(peer, CHUNK_BYTES)
    await stream.outbound()
    assert stream.outbound_bytes == 0
    assert got == data


async def test_a_peer_that_takes_nothing_loses_its_connection():
    ours, theirs = socket.socketpair()
    stream = Stream(asyncio.get_running_loop(), ours, outbound_max_bytes=1000)
    reading = asyncio.create_task(stream.recv())
    await asyncio.sleep(0)
    while stream.send(bytes(100_000)):
        pass
    assert stream.outbound_bytes == 0
    with pytest.raises(ConnectionAbortedError, match="does not take"):
        await stream.outbound()
    assert await asyncio.wait_for(reading, DEADLINE_S) == b""
    stream.abort()
    theirs.close()


async def test_sending_to_a_peer_that_has_left_says_so(pair):
    stream, peer = pair
    peer.close()
    assert not stream.send(b"anybody?")
    assert not stream.send(b"anybody?")
    with pytest.raises(OSError, match="pipe"):
        await stream.outbound()


async def test_closing_waits_for_what_was_sent(pair):
    stream, peer = pair
    data = bytes(1 << 20)
    stream.send(data)
    closing = asyncio.create_task(stream.close())
    loop, got = asyncio.get_running_loop(), 0
    while chunk := await loop.sock_recv(peer, CHUNK_BYTES):
        got += len(chunk)
    await closing
    assert got == len(data)
    assert stream.is_closed


async def test_a_close_that_is_cancelled_still_closes(pair):
    stream, _ = pair
    stream.send(bytes(1 << 20))
    closing = asyncio.create_task(stream.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert stream.is_closed


async def test_aborting_wakes_everybody(pair):
    stream, _ = pair
    stream.send(bytes(1 << 20))
    reading = asyncio.create_task(stream.recv())
    writing = asyncio.create_task(stream.outbound())
    await asyncio.sleep(0)
    stream.abort()
    stream.abort()
    assert await asyncio.wait_for(reading, DEADLINE_S) == b""
    with pytest.raises(ConnectionAbortedError):
        await asyncio.wait_for(writing, DEADLINE_S)
    assert not stream.send(b"more")


async def test_several_may_wait_for_what_was_sent_and_one_may_give_up(pair):
    stream, peer = pair
    stream.send(bytes(1 << 20))
    first = asyncio.create_task(stream.outbound())
    second = asyncio.create_task(stream.outbound())
    await asyncio.sleep(0)
    first.cancel()
    loop, got = asyncio.get_running_loop(), 0
    while got < 1 << 20:
        got += len(await loop.sock_recv(peer, CHUNK_BYTES))
    await asyncio.wait_for(second, DEADLINE_S)
    assert first.cancelled()


async def test_input_can_be_thrown_away(pair):
    stream, peer = pair
    peer.send(b"noise")
    assert stream.discard_input()
    assert stream.recv_nowait() is None
    peer.close()
    assert not stream.discard_input()


async def _tcp_pair() -> tuple[Stream, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        return Stream(asyncio.get_running_loop(), listener.accept()[0]), peer


async def test_a_tcp_stream_knows_both_addresses_and_watches_for_a_dead_peer():
    stream, peer = await _tcp_pair()
    assert stream.type == "tcp"
    assert stream.peer == f"127.0.0.1 {peer.getsockname()[1]}"
    assert stream.me == f"127.0.0.1 {peer.getpeername()[1]}"
    assert stream._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert stream._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
    stream.abort()
    peer.close()


async def test_a_reset_is_an_error_after_what_came_before_it_was_read():
    stream, peer = await _tcp_pair()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    with pytest.raises(ConnectionResetError):
        await stream.recv()
    stream.abort()


async def test_a_new_socket_with_the_number_of_a_closed_one_is_not_disturbed(pair):
    stream, _ = pair
    number = stream._sock.fileno()
    reading = asyncio.create_task(stream.recv())
    await asyncio.sleep(0)
    stream.abort()
    ours, theirs = socket.socketpair()
    assert number in {ours.fileno(), theirs.fileno()}
    if theirs.fileno() == number:
        ours, theirs = theirs, ours
    other = Stream(asyncio.get_running_loop(), ours)
    waiting = asyncio.create_task(other.recv())
    await reading
    await asyncio.sleep(0)
    theirs.send(b"hello")
    assert await asyncio.wait_for(waiting, DEADLINE_S) == b"hello"
    other.abort()
    theirs.close()
