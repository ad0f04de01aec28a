"""The stream server source over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import pytest

from bspump.clients.sockets import stream_server
from bspump.ipc import StreamServerSource
from bspump.testing import eventually


def _context(certificates, *, with_client: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificates.ca)
    if with_client:
        context.load_cert_chain(certificates.client)
    return context


async def _open(port: int, context: ssl.SSLContext):
    return await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )


async def test_lines_and_replies_pass_encrypted(pump, port, certificates):
    source = await pump.serve(StreamServerSource, cert=certificates.server)
    reader, writer = await _open(port(source), _context(certificates))
    lines = [b"%0200d\n" % i for i in range(20_000)]
    writer.write(b"".join(lines))
    assert await pump.got(len(lines)) == [line[:-1].decode() for line in lines]
    assert pump.contexts[0]["stream_type"] == "tls"
    assert pump.contexts[0]["stream"].send(b"thanks\n")
    assert await reader.readline() == b"thanks\n"
    writer.close()
    await eventually(lambda: source.rest_get()["connections"] == 0)


async def test_a_client_without_a_certificate_is_refused_if_one_is_asked_for(
    pump, port, certificates
):
    source = await pump.serve(StreamServerSource, cert=certificates.server, cafile=certificates.ca)
    reader, writer = await _open(port(source), _context(certificates))
    with pytest.raises(OSError, match=r"alert|reset|closed"):
        assert await reader.read()
    writer.close()
    _, writer = await _open(port(source), _context(certificates, with_client=True))
    writer.write(b"known\n")
    assert await pump.got(1) == ["known"]
    writer.close()


async def test_a_peer_that_does_not_speak_tls_is_refused_and_the_next_one_is_served(
    pump, port, certificates
):
    source = await pump.serve(StreamServerSource, cert=certificates.server)
    reader, plain = await asyncio.open_connection("127.0.0.1", port(source))
    plain.write(b"hello, is this plain?\n")
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)
    plain.close()
    _, writer = await _open(port(source), _context(certificates))
    writer.write(b"hello\n")
    assert await pump.got(1) == ["hello"]
    assert not pump.pipeline.has_error()
    assert any("handshake" in record.getMessage() for record in pump.pipeline.L.Deque)
    writer.close()


async def test_a_handshake_that_does_not_come_ends_the_connection(
    pump, port, certificates, monkeypatch
):
    monkeypatch.setattr(stream_server, "_HANDSHAKE_S", 0.05)
    source = await pump.serve(StreamServerSource, cert=certificates.server, max_connections=1)
    with socket.create_connection(("127.0.0.1", port(source))):
        _, writer = await asyncio.wait_for(_open(port(source), _context(certificates)), 5)
    writer.write(b"next\n")
    assert await pump.got(1) == ["next"]
    writer.close()


async def test_a_stop_does_not_wait_for_handshakes(pump, port, certificates):
    source = await pump.serve(StreamServerSource, cert=certificates.server)
    with socket.create_connection(("127.0.0.1", port(source))):
        await eventually(lambda: source.rest_get()["connections"])
        await asyncio.wait_for(pump.stop(), 2)


async def test_what_has_arrived_encrypted_is_processed_when_it_stops(pump, port, certificates):
    source = await pump.serve(StreamServerSource, cert=certificates.server)
    _, writer = await _open(port(source), _context(certificates))
    writer.write(b"first\n")
    await pump.got(1)
    pump.pipeline.throttle("test")
    writer.write(b"".join(b"%d\n" % i for i in range(10_000)))
    await writer.drain()
    await asyncio.sleep(0.02)
    stopping = asyncio.create_task(pump.stop())
    await eventually(lambda: not source.Addresses)
    pump.pipeline.throttle("test", False)
    await stopping
    assert pump.events == ["first", *map(str, range(10_000))]
    writer.close()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"key": "key.pem"}, "needs a certificate"),
        ({"cert": "missing.pem"}, "cert, key"),
        ({"verify_mode": "CERT_REQUIRED"}, "needs authorities"),
    ],
)
async def test_what_is_wrong_with_the_certificates_is_an_error_that_names_the_option(
    pump, certificates, config, expected
):
    if "verify_mode" in config:
        config = {**config, "cert": certificates.server}
    await pump.serve(StreamServerSource, **config)
    assert expected in str(pump.pipeline.Failed[0])
