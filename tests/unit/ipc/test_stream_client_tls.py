"""The stream client sink over TLS."""

from __future__ import annotations

import asyncio

import pytest

from bspump.abc.errors import ConfigError, NotConnectedError
from bspump.abc.sink import Batch
from bspump.ipc import StreamClientSink, StreamServerSource
from bspump.testing import eventually


def _batch(*events) -> Batch:
    return Batch(events, [{} for _ in events])


async def _start(pump, sink: StreamClientSink) -> None:
    await pump.start(pump.make(StreamServerSource, address="127.0.0.1 0"), sink)


@pytest.fixture
async def tls_server(tls_servers):
    return await tls_servers()


async def test_events_are_written_encrypted(pump, tls_server, sink, certificates):
    await _start(pump, sink(tls_server.address, cafile=certificates.ca, framing="line"))
    events = [f"{i:0100d}" for i in range(20_000)]
    await pump.pipeline.process_many(events)
    await eventually(lambda: len(tls_server.received) == 101 * len(events))
    assert tls_server.received.decode().splitlines() == events
    await pump.stop()


async def test_a_server_that_nobody_vouches_for_is_not_written_to(pump, tls_server, sink):
    written = sink(tls_server.address, tls="yes")
    with pytest.raises(NotConnectedError, match="certificate verify failed"):
        await written.connect()
    await written.close()
    assert not tls_server.received


async def test_a_server_with_another_name_is_not_written_to(pump, tls_server, sink, certificates):
    written = sink(tls_server.address, cafile=certificates.ca, server_hostname="other.example")
    with pytest.raises(NotConnectedError, match=r"other\.example"):
        await written.connect()


async def test_verification_can_be_switched_off(pump, tls_server, sink):
    written = sink(tls_server.address, verify_mode="CERT_NONE")
    await written.connect()
    await written.write(_batch(b"trusting"))
    await eventually(lambda: tls_server.received == b"trusting")
    await written.close()


async def test_both_sides_can_show_a_certificate(tls_servers, sink, certificates):
    server = await tls_servers(mutual=True)
    written = sink(server.address, cafile=certificates.ca, cert=certificates.client)
    await written.connect()
    await written.write(_batch(b"known"))
    await eventually(lambda: server.received == b"known")
    await written.close()


async def _connect_and_write(sink: StreamClientSink) -> None:
    await sink.connect()
    for _ in range(100):
        await sink.write(_batch(b"unknown"))
        await asyncio.sleep(0.001)


async def test_a_refused_certificate_is_noticed_and_the_batch_is_kept(
    tls_servers, sink, certificates
):
    server = await tls_servers(mutual=True)
    written = sink(server.address, cafile=certificates.ca)
    with pytest.raises(NotConnectedError):
        await _connect_and_write(written)
    await written.close()
    assert not server.received


async def test_a_server_that_does_not_speak_tls_is_an_error_within_the_time_allowed(
    pump, server, sink, certificates
):
    written = sink(server.address, cafile=certificates.ca, connect_timeout="50ms")
    with pytest.raises(NotConnectedError, match=r"no answer within 0\.05 seconds"):
        await written.connect()


async def test_a_file_that_cannot_be_used_is_a_configuration_error(pump, server, sink):
    written = sink(server.address, cafile="missing.pem")
    with pytest.raises(ConfigError, match="cafile"):
        await written.connect()


async def test_a_unix_socket_over_tls_needs_the_name_of_the_server(pump, sink, short_path):
    written = sink(short_path, tls=True)
    with pytest.raises(ConfigError, match="server_hostname"):
        await written.connect()
