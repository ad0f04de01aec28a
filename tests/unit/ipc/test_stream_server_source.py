"""The stream server source: what comes out, and what it stands."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from bspump.abc.errors import ConfigError
from bspump.ipc import (
    LengthPrefixSourceProtocol,
    SourceProtocolABC,
    StreamServerSource,
    StreamSource,
)
from bspump.socket import TCPSource, TCPStreamSource
from bspump.testing import eventually


async def _send(port: int, data: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.close()
    await writer.wait_closed()


def test_the_older_names_are_the_same_class():
    assert StreamSource is TCPSource is TCPStreamSource is StreamServerSource


async def test_each_line_becomes_an_event_of_text(pump, port):
    source = await pump.serve(StreamServerSource)
    await _send(port(source), "one\r\ntwo\n\nžluť\nlast".encode())
    assert await pump.got(5) == ["one", "two", "", "žluť", "last"]


async def test_a_character_that_is_split_between_packets_is_whole(pump, port):
    source = await pump.serve(StreamServerSource)
    _, writer = await asyncio.open_connection("127.0.0.1", port(source))
    for byte in "žluť\n".encode():
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    assert await pump.got(1) == ["žluť"]
    writer.close()


async def test_bytes_that_cannot_be_decoded_are_shown_as_escapes(pump, port):
    source = await pump.serve(StreamServerSource)
    await _send(port(source), b"\xe9lan\nnext\n")
    assert await pump.got(2) == ["\\xe9lan", "next"]
    assert pump.rejected == []


@pytest.mark.parametrize("decode", ["bytes", ""])
async def test_nothing_is_decoded_if_bytes_are_wanted(pump, port, decode):
    source = await pump.serve(StreamServerSource, decode=decode)
    await _send(port(source), b"\xe9lan\n")
    assert await pump.got(1) == [b"\xe9lan"]


async def test_another_encoding_can_be_named(pump, port):
    source = await pump.serve(StreamServerSource, decode="latin-1")
    await _send(port(source), b"\xe9lan\n")
    assert await pump.got(1) == ["élan"]


@pytest.mark.parametrize("decode", ["no-such-encoding", "base64"])
async def test_an_encoding_that_does_not_exist_is_a_configuration_error(pump, decode):
    with pytest.raises(ConfigError, match=decode):
        pump.make(StreamServerSource, decode=decode)


async def test_a_limit_that_lets_nothing_pass_is_a_configuration_error(pump):
    with pytest.raises(ConfigError, match="max_bytes"):
        pump.make(StreamServerSource, max_message_bytes=0)


async def test_an_address_that_is_none_is_a_configuration_error(pump):
    with pytest.raises(ConfigError, match="nowhere"):
        pump.make(StreamServerSource, address="nowhere")


async def test_each_event_has_its_own_context_of_the_connection(pump, port):
    source = await pump.serve(StreamServerSource)
    reader, writer = await asyncio.open_connection("127.0.0.1", port(source))
    writer.write(b"one\ntwo\n")
    await pump.got(2)
    first, second = pump.contexts
    me, peer = (
        f"127.0.0.1 {port(source)}",
        "127.0.0.1 {}".format(writer.get_extra_info("sockname")[1]),
    )
    assert first.pop("stream").send(b"reply\n")
    assert first == {
        "stream_type": "tcp",
        "stream_dir": "in",
        "stream_peer": peer,
        "stream_me": me,
    }
    assert "stream" in second
    assert await reader.readline() == b"reply\n"
    writer.close()


async def test_a_reply_is_sent_before_the_connection_is_closed(pump, port):
    source = pump.make(StreamServerSource, address="127.0.0.1 0")
    answer = bytes(1 << 19)

    def reply(context, event):
        context["stream"].send(answer)
        return event

    await pump.start(source, reply, pump.sink)
    await eventually(lambda: source.Addresses)
    reader, writer = await asyncio.open_connection("127.0.0.1", port(source))
    writer.write(b"question")
    writer.write_eof()
    assert await reader.read() == answer
    writer.close()


async def test_several_addresses_are_served_at_once(pump, port, short_path):
    source = await pump.serve(StreamServerSource, address=f"127.0.0.1 0, [::1]:0\n{short_path}")
    assert [each.split()[0] for each in source.Addresses] == ["127.0.0.1", "::1", short_path]
    await _send(port(source), b"four\n")
    await pump.got(1)
    _, sixth = await asyncio.open_connection("::1", port(source, 1))
    sixth.write(b"six\n")
    await pump.got(2)
    _, unix = await asyncio.open_unix_connection(short_path)
    unix.write(b"unix\n")
    assert await pump.got(3) == ["four", "six", "unix"]
    assert [context["stream_type"] for context in pump.contexts] == ["tcp", "tcp", "unix"]
    assert pump.contexts[2]["stream_peer"] == ""
    assert pump.contexts[2]["stream_me"] == short_path
    assert source.rest_get()["connections"] == 2
    sixth.close()
    unix.close()


async def test_messages_after_their_length_are_read_by_another_protocol(pump, port):
    source = await pump.serve(StreamServerSource, LengthPrefixSourceProtocol, decode="bytes")
    await _send(port(source), b"\0\0\0\x03a\nb\0\0\0\0\0\0\0\x01c")
    assert await pump.got(3) == [b"a\nb", b"", b"c"]


async def test_a_protocol_of_ones_own_reads_the_stream(pump, port):
    class Pairs(SourceProtocolABC):
        async def handle(self, source, stream, context):
            while data := await stream.recv():
                for i in range(0, len(data), 2):
                    await source.process(data[i : i + 2], context)

    source = await pump.serve(StreamServerSource, Pairs)
    await _send(port(source), b"aabbcc")
    assert await pump.got(3) == [b"aa", b"bb", b"cc"]


async def test_a_bug_of_a_protocol_is_an_error_of_the_pipeline(pump, port):
    class Broken(SourceProtocolABC):
        async def handle(self, source, stream, context):
            raise KeyError("bug")

    source = await pump.serve(StreamServerSource, Broken)
    await _send(port(source), b"x")
    await eventually(lambda: pump.pipeline.Failed)
    assert isinstance(pump.pipeline.Failed[0], KeyError)
    await eventually(lambda: source.rest_get()["connections"] == 0)


async def test_a_port_that_is_taken_is_an_error_of_the_pipeline_until_it_is_cleared(pump, port):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1 {taken.getsockname()[1]}"
        source = await pump.serve(StreamServerSource, address=address)
        assert address in str(pump.pipeline.Failed[0])
        assert source.Addresses == []
    pump.pipeline.set_error(None, None, None)
    await eventually(lambda: source.Addresses)
    await _send(port(source), b"at last\n")
    assert await pump.got(1) == ["at last"]


# Limits


async def test_an_enormous_line_is_rejected_and_spares_its_neighbours(pump, port):
    source = await pump.serve(StreamServerSource, max_message_bytes="1KiB")
    await _send(port(source), b"before\n" + b"x" * 5_000_000 + b"\nafter\n")
    assert await pump.got(2) == ["before", "after"]
    ((reason, context, _),) = pump.rejected
    assert "at most 1024 bytes" in reason
    assert context["stream_dir"] == "in"


async def test_every_rejected_message_is_counted(pump, port):
    source = await pump.serve(StreamServerSource, max_message_bytes=3)
    await _send(port(source), b"long\n" * 500 + b"ok\n")
    await pump.got(1)
    assert len(pump.rejected) == 500


async def test_unfinished_messages_of_all_connections_have_a_limit(pump, port):
    source = await pump.serve(StreamServerSource, max_buffered_bytes=150_000)
    connections = []
    for size in (100_000, 100_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", port(source))
        writer.write(b"x" * size)
        connections.append((reader, writer))
        await writer.drain()
    ends = [asyncio.create_task(reader.read()) for reader, _ in connections]
    done, _ = await asyncio.wait(ends, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1
    assert len(pump.rejected) == 1
    closed = ends.index(done.pop())
    connections[1 - closed][1].write(b"\n")
    await pump.got(1)
    for task in ends:
        task.cancel()
    for _, writer in connections:
        writer.close()


async def test_long_lines_that_are_finished_do_not_add_up(pump, port):
    source = await pump.serve(StreamServerSource, max_buffered_bytes=300_000)
    await _send(port(source), (b"x" * 250_000 + b"\n") * 20)
    assert len(await pump.got(20)) == 20
    assert pump.rejected == []


async def test_no_more_connections_than_allowed_are_served_and_the_others_wait(pump, port):
    source = await pump.serve(StreamServerSource, max_connections=2)
    writers = []
    for number in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", port(source))
        writer.write(b"%d\n" % number)
        writers.append(writer)
    await pump.got(2)
    await asyncio.sleep(0.02)
    assert pump.events == ["0", "1"]
    assert source.rest_get()["connections"] == 2
    writers[0].close()
    assert await pump.got(3) == ["0", "1", "2"]
    for writer in writers:
        writer.close()


async def test_two_listeners_do_not_take_each_others_last_connection(pump, port):
    source = await pump.serve(
        StreamServerSource, address="127.0.0.1 0, 127.0.0.1 0", max_connections=1
    )
    await _send(port(source, 1), b"second\n")
    await pump.got(1)
    await _send(port(source, 0), b"first\n")
    assert await pump.got(2) == ["second", "first"]


async def test_a_peer_that_does_not_read_its_replies_loses_its_connection(pump, port):
    source = pump.make(StreamServerSource, address="127.0.0.1 0", max_outbound_bytes=100_000)
    sent = []

    def reply(context, event):
        sent.append(context["stream"].send(bytes(100_000)))
        return event

    await pump.start(source, reply, pump.sink)
    await eventually(lambda: source.Addresses)
    _, writer = await asyncio.open_connection("127.0.0.1", port(source), limit=1)
    writer.write(b"give\n" * 1000)
    await eventually(lambda: source.rest_get()["connections"] == 0 and sent)
    assert sent[0]
    assert not sent[-1]
    writer.close()


async def test_a_silent_connection_is_closed_if_so_wished(pump, port):
    source = await pump.serve(StreamServerSource, idle_timeout="50ms")
    reader, writer = await asyncio.open_connection("127.0.0.1", port(source))
    writer.write(b"line\nhalf a li")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    assert pump.events == ["line"]
    assert "middle of a message" in pump.rejected[0][0]
    writer.close()


# Broken connections


async def test_a_reset_rejects_the_line_that_it_cut_and_keeps_the_others(pump, port):
    source = await pump.serve(StreamServerSource)
    with socket.create_connection(("127.0.0.1", port(source))) as peer:
        peer.sendall(b"whole\nha")
        await pump.got(1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await eventually(lambda: pump.rejected)
    assert pump.events == ["whole"]
    reason, _, event = pump.rejected[0]
    assert "reset" in reason
    assert event == b"ha"
    assert not pump.pipeline.has_error()


async def test_a_half_closed_connection_gets_its_last_line_through(pump, port):
    source = await pump.serve(StreamServerSource)
    reader, writer = await asyncio.open_connection("127.0.0.1", port(source))
    writer.write(b"no newline")
    writer.write_eof()
    assert await pump.got(1) == ["no newline"]
    assert await reader.read() == b""
    writer.close()


async def test_a_slow_peer_does_not_hold_up_the_others(pump, port):
    source = await pump.serve(StreamServerSource)
    _, slow = await asyncio.open_connection("127.0.0.1", port(source))
    slow.write(b"half")
    await _send(port(source), b"quick\n")
    assert await pump.got(1) == ["quick"]
    slow.write(b" a line\n")
    assert await pump.got(2) == ["quick", "half a line"]
    slow.close()
