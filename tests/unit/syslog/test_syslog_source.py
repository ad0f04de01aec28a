"""The syslog source: by every transport, in every framing and form."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from bspump.abc.errors import ConfigError
from bspump.ipc import DatagramSink, StreamClientSink
from bspump.syslog import SyslogSource
from bspump.testing import eventually

BSD = b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed"
IETF = b'<165>1 2003-10-11T22:14:15.003Z host evntslog - ID47 [a@1 b="c"] An application event'


def _port(address: str) -> int:
    return int(address.split()[1])


def _send_datagrams(address: str, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for datagram in datagrams:
            sock.sendto(datagram, ("127.0.0.1", _port(address)))


async def _send_stream(address: str, data: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", _port(address))
    writer.write(data)
    writer.close()
    await writer.wait_closed()


async def test_by_default_it_listens_for_datagrams_and_streams_on_the_loopback(receiver):
    source = receiver.make(SyslogSource)
    assert source.Options.address == "127.0.0.1 1514"
    assert [str(each) for each in source._datagrams] == ["127.0.0.1 1514"]
    assert source._datagrams == source._streams


async def test_both_forms_come_by_datagrams(receiver):
    source = await receiver.listen()
    _send_datagrams(source.Addresses[0], BSD, IETF + b"\n", BSD + b"\0")
    assert await receiver.messages(3) == [
        "'su root' failed",
        "An application event",
        "'su root' failed",
    ]
    first, second, _ = receiver.sink.Events
    assert (first["rfc"], first["hostname"], first["app_name"]) == (3164, "mymachine", "su")
    assert (first["facility_name"], first["severity_name"]) == ("auth", "crit")
    assert second["timestamp_ms"] == 1065910455003
    assert second["structured_data"] == {"a@1": {"b": "c"}}
    assert receiver.sink.Contexts[0]["datagram"][0] == "127.0.0.1"


@pytest.mark.parametrize(
    "stream",
    [
        b"%b\n%b\n" % (BSD, IETF),
        b"%b\r\n%b" % (BSD, IETF),
        b"%d %b%d %b" % (len(BSD), BSD, len(IETF), IETF),
        b"%d %b\n%d %b\n" % (len(BSD), BSD, len(IETF), IETF),
        b"%d %b%b\n" % (len(BSD), BSD, IETF),
    ],
    ids=["lines", "crlf", "counted", "counted and newlines", "mixed"],
)
async def test_the_framing_of_a_stream_is_found_out(receiver, stream):
    source = await receiver.listen(transport="tcp")
    await _send_stream(source.Addresses[0], stream)
    assert await receiver.messages(2) == ["'su root' failed", "An application event"]
    context = receiver.sink.Contexts[0]
    assert context["stream_type"] == "tcp"
    assert context is not receiver.sink.Contexts[1]


async def test_each_connection_has_a_framing_of_its_own(receiver):
    source = await receiver.listen(transport="tcp")
    counted = b"%d %b" % (len(BSD), BSD)
    await asyncio.gather(
        *(_send_stream(source.Addresses[0], data) for data in (counted * 50, (BSD + b"\n") * 50))
    )
    assert await receiver.messages(100) == ["'su root' failed"] * 100


async def test_messages_come_encrypted_and_then_nothing_comes_in_clear(receiver, certificates):
    source = await receiver.listen(cert=certificates.server)
    assert len(source.Addresses) == 1
    _, writer = await asyncio.open_connection(
        "127.0.0.1",
        _port(source.Addresses[0]),
        ssl=ssl.create_default_context(cafile=certificates.ca),
        server_hostname="localhost",
    )
    writer.write(b"%d %b" % (len(IETF), IETF))
    assert await receiver.messages(1) == ["An application event"]
    assert receiver.sink.Contexts[0]["stream_type"] == "tls"
    writer.close()


@pytest.mark.parametrize("transport", ["", "udp"])
async def test_a_unix_socket_takes_datagrams(receiver, short_path, transport):
    await receiver.listen(address=short_path, transport=transport)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(BSD, short_path)
    assert await receiver.messages(1) == ["'su root' failed"]


async def test_a_unix_socket_takes_streams_if_so_wished(receiver, short_path):
    source = await receiver.listen(address=short_path, transport="tcp")
    _, writer = await asyncio.open_unix_connection(short_path)
    writer.write(BSD + b"\n")
    assert await receiver.messages(1) == ["'su root' failed"]
    assert source.rest_get()["connections"] == 1
    writer.close()


async def test_a_unix_socket_cannot_be_both(receiver, short_path):
    with pytest.raises(ConfigError, match="transport"):
        receiver.make(SyslogSource, address=short_path, transport="udp tcp")


async def test_a_malformed_message_is_rejected_and_spares_its_neighbours(receiver):
    source = await receiver.listen()
    bad = b"<999>what is this"
    _send_datagrams(source.Addresses[0], BSD, bad, IETF)
    await receiver.messages(2)
    await _send_stream(source.Addresses[1], b"\n".join([BSD, bad, b"no priority", IETF]))
    assert len(await receiver.messages(4)) == 4
    assert [event for _, event in receiver.pipeline.Rejected] == [bad, bad, b"no priority"]
    assert "priority" in receiver.pipeline.Rejected[0][0]
    assert not receiver.pipeline.has_error()


async def test_a_message_without_a_priority_can_be_given_one(receiver):
    source = await receiver.listen(default_priority="13")
    _send_datagrams(source.Addresses[0], b"just text")
    assert await receiver.messages(1) == ["just text"]
    assert receiver.sink.Events[0]["severity_name"] == "notice"


async def test_a_message_that_is_too_long_is_rejected_by_every_transport(receiver):
    source = await receiver.listen(max_message_bytes="1KiB")
    long = b"<13>" + b"x" * 2000
    _send_datagrams(source.Addresses[0], long, BSD)
    await receiver.messages(1)
    await _send_stream(source.Addresses[1], b"%d %b%b\n%b\n" % (len(long), long, long, BSD))
    assert len(await receiver.messages(2)) == 2
    assert len(receiver.pipeline.Rejected) == 3


async def test_a_broken_message_at_the_end_of_a_stream_is_rejected(receiver):
    source = await receiver.listen(transport="tcp")
    await _send_stream(source.Addresses[0], b"%d %b100 <13>cut" % (len(BSD), BSD))
    await receiver.messages(1)
    await _send_stream(source.Addresses[0], BSD)
    await receiver.messages(2)
    assert "whole message" in receiver.pipeline.Rejected[0][0]


async def test_times_without_a_zone_are_those_of_the_option(receiver):
    source = await receiver.listen(timezone="America/New_York")
    _send_datagrams(source.Addresses[0], b"<13>Oct 11 2020 22:14:15 host app: text")
    await receiver.messages(1)
    assert receiver.sink.Events[0]["timestamp_ms"] == 1602468855000


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"default_priority": "192"}, "0 to 191"),
        ({"address": "nowhere"}, "nowhere"),
        ({"max_message_bytes": "0"}, "max_bytes"),
    ],
)
async def test_a_wrong_option_is_a_configuration_error(receiver, config, expected):
    with pytest.raises(ConfigError, match=expected):
        receiver.make(SyslogSource, **config)


async def test_everything_that_has_arrived_is_processed_when_it_stops(receiver):
    source = await receiver.listen(receiver_buffer_size="1MiB")
    receiver.pipeline.throttle("test")
    _send_datagrams(source.Addresses[0], *[b"<13>datagram %d" % i for i in range(100)])
    _, writer = await asyncio.open_connection("127.0.0.1", _port(source.Addresses[1]))
    writer.write(b"".join(b"<13>stream %d\n" % i for i in range(5000)))
    await writer.drain()
    await eventually(lambda: source.rest_get()["connections"])
    stopping = asyncio.create_task(receiver.stop())
    await asyncio.sleep(0.02)
    receiver.pipeline.throttle("test", False)
    await stopping
    messages = [event["message"] for event in receiver.sink.Events]
    assert [m for m in messages if m.startswith("stream")] == [f"stream {i}" for i in range(5000)]
    assert [m for m in messages if m.startswith("data")] == [f"datagram {i}" for i in range(100)]
    writer.close()


async def test_a_port_that_is_taken_by_others_leaves_nothing_open(receiver):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1 {taken.getsockname()[1]}"
        source = await receiver.listen(address=address)
        assert address in str(receiver.pipeline.Failed[0])
        assert source.Addresses == []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(taken.getsockname())


@pytest.mark.parametrize(
    ("sink_class", "config", "number"),
    [
        (DatagramSink, {}, 0),
        (StreamClientSink, {"framing": "octets"}, 1),
        (StreamClientSink, {"framing": "line"}, 1),
    ],
)
async def test_what_our_own_sinks_write_is_received(receiver, sink_class, config, number):
    source = await receiver.listen()
    sink = sink_class(
        receiver.app,
        receiver.pipeline,
        "Out",
        {"address": source.Addresses[number], **config},
    )
    other = type(receiver.pipeline)(receiver.app, "Other")
    other.build(SyslogSource(receiver.app, other, config={"address": "127.0.0.1 0"}), sink)
    receiver.app.PumpService.add_pipeline(other)
    other.start()
    await other.process_many([BSD, IETF])
    assert await receiver.messages(2) == ["'su root' failed", "An application event"]
