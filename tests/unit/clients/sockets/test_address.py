"""How addresses are written, and what can be bound."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path

import pytest

from bspump.abc.errors import ConfigError
from bspump.clients.sockets import address as module
from bspump.clients.sockets.address import (
    Address,
    address_of,
    bind,
    parse_address,
    parse_addresses,
    resolve,
    show_sockaddr,
    unbind,
)

EVERYWHERE = "0.0.0.0"  # noqa: S104 - asked for by name


def _exists(path: str) -> bool:
    return Path(path).exists()


@pytest.mark.parametrize(
    ("text", "family", "sockaddr"),
    [
        ("127.0.0.1 8888", socket.AF_INET, ("127.0.0.1", 8888)),
        ("127.0.0.1:8888", socket.AF_INET, ("127.0.0.1", 8888)),
        (" 127.0.0.1 : 8888 ", socket.AF_INET, ("127.0.0.1", 8888)),
        ("*:8888", socket.AF_INET, (EVERYWHERE, 8888)),
        ("* 8888", socket.AF_INET, (EVERYWHERE, 8888)),
        ("8888", socket.AF_INET, ("127.0.0.1", 8888)),
        ("[::1]:514", socket.AF_INET6, ("::1", 514)),
        ("[::] 514", socket.AF_INET6, ("::", 514)),
        ("broker.example:514", socket.AF_UNSPEC, ("broker.example", 514)),
        ("localhost 0", socket.AF_UNSPEC, ("localhost", 0)),
        ("/run/log", socket.AF_UNIX, "/run/log"),
        ("./log", socket.AF_UNIX, "./log"),
        ("@log", socket.AF_UNIX, "\0log"),
    ],
)
def test_every_form_of_an_address_is_understood(text, family, sockaddr):
    assert parse_address(text) == Address(family, sockaddr)


@pytest.mark.parametrize(
    "text", ["", "host", "host:", "host:port", "1:2:3", "127.0.0.1 65536", "[::g]:1", "[1]:1", "@"]
)
def test_what_is_no_address_is_a_configuration_error_that_shows_it(text):
    with pytest.raises(ConfigError) as caught:
        parse_address(text)
    assert repr(text) in str(caught.value)


def test_several_addresses_stand_on_lines_or_between_commas():
    found = parse_addresses("127.0.0.1 1, [::1]:2\n/run/log\n\n")
    assert [str(each) for each in found] == ["127.0.0.1 1", "::1 2", "/run/log"]


def test_no_address_is_a_configuration_error():
    with pytest.raises(ConfigError, match="no address"):
        parse_addresses(" ,\n")


def test_addresses_are_shown_as_users_write_them():
    assert show_sockaddr(("::1", 80, 0, 0)) == "::1 80"
    assert show_sockaddr(b"\0log") == "@log"
    assert show_sockaddr("") == show_sockaddr(None) == ""


async def test_a_name_is_looked_up():
    found = await resolve(parse_address("localhost 80"), socket.SOCK_STREAM)
    assert ("127.0.0.1", 80) in [each.sockaddr[:2] for each in found]


async def test_a_name_is_bound_at_each_of_its_addresses_that_this_machine_has(monkeypatch):
    async def resolved(address, kind):
        here = Address(socket.AF_INET, ("127.0.0.1", 0))
        elsewhere = Address(socket.AF_INET, ("203.0.113.1", 0))
        return [elsewhere, here, here]

    monkeypatch.setattr(module, "resolve", resolved)
    bound = await bind(parse_address("name.example 0"), socket.SOCK_STREAM)
    try:
        assert [address_of(sock).sockaddr[0] for sock in bound] == ["127.0.0.1"] * 2
    finally:
        for sock in bound:
            unbind(sock)


async def test_an_address_of_another_machine_is_named_in_the_error():
    with pytest.raises(OSError, match=r"cannot listen on 203\.0\.113\.1 7") as caught:
        await bind(parse_address("203.0.113.1 7"), socket.SOCK_STREAM)
    assert caught.value.errno == errno.EADDRNOTAVAIL


async def test_a_port_that_is_taken_is_named_in_the_error():
    (first,) = await bind(parse_address("0"), socket.SOCK_DGRAM)
    try:
        with pytest.raises(OSError, match=str(address_of(first))):
            await bind(address_of(first), socket.SOCK_DGRAM)
    finally:
        unbind(first)


async def test_ipv4_and_ipv6_can_have_the_same_port():
    (sixth,) = await bind(parse_address("[::]:0"), socket.SOCK_STREAM)
    port = sixth.getsockname()[1]
    (fourth,) = await bind(parse_address(f"*:{port}"), socket.SOCK_STREAM)
    unbind(fourth)
    unbind(sixth)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
async def test_the_file_of_a_dead_unix_socket_is_replaced(short_path, kind):
    with socket.socket(socket.AF_UNIX, kind) as dead:
        dead.bind(short_path)
    (sock,) = await bind(parse_address(short_path), kind)
    assert str(address_of(sock)) == short_path
    unbind(sock)
    unbind(sock)
    assert not _exists(short_path)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
async def test_a_living_unix_socket_is_left_alone(short_path, kind):
    (first,) = await bind(parse_address(short_path), kind)
    if kind == socket.SOCK_STREAM:
        first.listen()
    try:
        with pytest.raises(OSError, match="in use"):
            await bind(parse_address(short_path), kind)
        assert _exists(short_path)
    finally:
        unbind(first)


def test_a_file_that_is_no_socket_is_never_removed(short_path):
    Path(short_path).write_text("precious")
    with pytest.raises(OSError, match="no socket"):
        asyncio.run(bind(parse_address(short_path), socket.SOCK_STREAM))
    assert Path(short_path).read_text() == "precious"


async def test_an_abstract_unix_socket_leaves_no_file():
    (sock,) = await bind(parse_address("@bspump-test"), socket.SOCK_DGRAM)
    assert str(address_of(sock)) == "@bspump-test"
    unbind(sock)


async def test_the_kernel_is_asked_for_a_larger_buffer():
    (small,) = await bind(parse_address("0"), socket.SOCK_DGRAM, receive_buffer_bytes=4096)
    (large,) = await bind(parse_address("0"), socket.SOCK_DGRAM, receive_buffer_bytes=65536)
    sizes = [s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for s in (small, large)]
    assert sizes[0] < sizes[1]
    unbind(small)
    unbind(large)


async def test_binding_does_not_block_the_loop(monkeypatch):
    answered = asyncio.Event()

    async def slowly(address, kind):
        await answered.wait()
        return [Address(socket.AF_INET, ("127.0.0.1", 0))]

    monkeypatch.setattr(module, "resolve", slowly)
    binding = asyncio.create_task(bind(parse_address("slow.example 0"), socket.SOCK_DGRAM))
    await asyncio.sleep(0)
    assert not binding.done()
    answered.set()
    for sock in await binding:
        unbind(sock)
