"""Streams over TLS, and connecting to the first address that answers."""

from __future__ import annotations

import asyncio
import socket
import ssl
from types import SimpleNamespace

import pytest

from bspump.abc.errors import ConfigError, NotConnectedError
from bspump.clients.sockets.address import Address, parse_address
from bspump.clients.sockets.connecting import connect
from bspump.clients.sockets.stream import TLSStream
from bspump.clients.sockets.tls import client_context, server_context
from bspump.testing.faults import cancel_everywhere


def _settings(**given) -> SimpleNamespace:
    defaults = {"cert": "", "key": "", "password": "", "cafile": "", "verify_mode": ""}
    return SimpleNamespace(**{**defaults, **given})


@pytest.fixture
def contexts(certificates) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a server and a client need to trust each other."""
    return (
        server_context(_settings(cert=certificates.server, cafile=certificates.ca)),
        client_context(_settings(cert=certificates.client, cafile=certificates.ca)),
    )


async def _tls_pair(contexts) -> tuple[TLSStream, TLSStream]:
    loop, (left, right) = asyncio.get_running_loop(), socket.socketpair()
    server = TLSStream(loop, left, contexts[0], server_side=True)
    client = TLSStream(loop, right, contexts[1], server_hostname="localhost")
    await asyncio.gather(server.handshake(), client.handshake())
    return server, client


async def test_data_of_any_size_passes_in_both_directions(contexts):
    server, client = await _tls_pair(contexts)
    data = bytes(range(256)) * 20_000

    async def receive(stream: TLSStream) -> bytes:
        return await stream.recv_exactly(len(data))

    client.send(data)
    server.send(data)
    received = await asyncio.gather(receive(server), receive(client))
    assert received == [data, data]
    assert server.type == "tls"
    await client.close()
    assert await server.recv() == b""
    assert server.has_peer_ended
    server.abort()


async def test_what_is_decrypted_but_not_read_is_not_waited_for(contexts):
    server, client = await _tls_pair(contexts)
    client.send(b"0123456789")
    assert await server.recv(4) == b"0123"
    assert await asyncio.wait_for(server.readable(), 1)
    server.end_input()
    assert await server.recv() == b"456789"
    assert await server.recv() == b""
    assert not server.has_peer_ended
    server.abort()
    client.abort()


async def _read_all(stream: TLSStream, received: bytearray) -> None:
    while data := await stream.recv():
        received += data


async def test_what_came_before_the_connection_broke_is_not_lost(contexts):
    server, client = await _tls_pair(contexts)
    client.send(b"x" * 100_000)
    await client.outbound()
    # Something that is no record, behind the records.
    raw = socket.socket(fileno=client._tls.detach())
    raw.sendall(b"this is not TLS")
    received = bytearray()
    with pytest.raises(ssl.SSLError):
        await _read_all(server, received)
    assert received == b"x" * 100_000
    raw.close()
    server.abort()


@pytest.mark.parametrize("settings", [{"cert": "stranger"}, {}])
async def test_a_server_refuses_whom_its_authorities_do_not_know(certificates, settings):
    settings = {name: getattr(certificates, value) for name, value in settings.items()}
    server_side = server_context(_settings(cert=certificates.server, cafile=certificates.ca))
    client_side = client_context(_settings(cafile=certificates.ca, **settings))
    loop, (left, right) = asyncio.get_running_loop(), socket.socketpair()
    server = TLSStream(loop, left, server_side, server_side=True)
    client = TLSStream(loop, right, client_side, server_hostname="localhost")
    shaking = asyncio.create_task(client.handshake())
    with pytest.raises(ssl.SSLError):
        await server.handshake()
    await asyncio.wait([shaking])
    server.abort()
    client.abort()


def test_old_versions_of_the_protocol_are_not_spoken(contexts):
    assert all(c.minimum_version >= ssl.TLSVersion.TLSv1_2 for c in contexts)


def test_a_client_verifies_the_server_unless_it_is_told_not_to():
    assert client_context(_settings()).verify_mode == ssl.CERT_REQUIRED
    assert client_context(_settings()).check_hostname
    trusting = client_context(_settings(verify_mode="CERT_NONE"))
    assert trusting.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("make", "settings", "expected"),
    [
        (server_context, {"key": "key.pem"}, "cert"),
        (server_context, {"cert": "missing.pem"}, "missing.pem"),
        (client_context, {"cert": "missing.pem"}, "missing.pem"),
        (client_context, {"cafile": "missing.pem"}, "cafile"),
        (server_context, {"cert": "c", "verify_mode": "CERT_OPTIONAL"}, "authorities"),
    ],
)
def test_what_cannot_be_used_is_a_configuration_error(make, settings, expected):
    with pytest.raises(ConfigError, match=expected):
        make(_settings(**settings))


def test_a_password_is_used_and_never_shown(certificates, tmp_path):
    locked = tmp_path / "locked.pem"
    locked.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n")
    with pytest.raises(ConfigError) as caught:
        server_context(_settings(cert=certificates.server, key=str(locked), password="very secret"))
    assert "very secret" not in str(caught.value)


# Connecting


@pytest.fixture
def listener():
    """Return a socket that listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def _address(sock: socket.socket) -> Address:
    return Address(socket.AF_INET, sock.getsockname())


def _dead() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return _address(sock)


async def test_the_first_address_that_answers_is_taken(listener):
    stream = await connect([_dead(), _address(listener), _dead()], timeout_s=5)
    assert stream.peer == str(_address(listener))
    stream.abort()


async def test_a_name_is_tried_at_each_of_its_addresses(listener):
    port = listener.getsockname()[1]
    stream = await connect([parse_address(f"localhost {port}")], timeout_s=5)
    assert stream.peer == f"127.0.0.1 {port}"
    stream.abort()


async def test_every_reason_is_given_if_nobody_answers():
    addresses = [_dead(), parse_address("no-such-host.invalid 1"), parse_address("/no/such/file")]
    with pytest.raises(NotConnectedError) as caught:
        await connect(addresses, timeout_s=5)
    for address in addresses:
        assert f"{address}: " in str(caught.value)


async def test_a_server_that_does_not_answer_the_handshake_is_given_up(listener, contexts):
    with pytest.raises(NotConnectedError, match=r"within 0\.02 seconds"):
        await connect([_address(listener)], contexts[1], timeout_s=0.02)


async def test_tls_without_a_name_to_verify_is_a_configuration_error(contexts):
    with pytest.raises(ConfigError, match="server_hostname"):
        await connect([parse_address("/run/socket")], contexts[1], timeout_s=1)


async def test_cancelled_anywhere_nothing_stays_open(certificates, contexts):
    # A socket that stays open is a warning, and so an error, when it is collected.
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=contexts[0]
    )
    address = _address(server.sockets[0])

    async def attempt() -> None:
        stream = await connect([address], contexts[1], server_hostname="localhost", timeout_s=5)
        stream.abort()

    assert await cancel_everywhere(attempt, lambda: None) >= 2
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.01)
