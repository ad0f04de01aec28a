"""Addresses of sockets: how they are written, bound, resolved and shown.

>>> parse_address("127.0.0.1 8888")
Address(family=<AddressFamily.AF_INET: 2>, sockaddr=('127.0.0.1', 8888))
>>> parse_address("[::1]:514").sockaddr, parse_address("/run/events").sockaddr
(('::1', 514), '/run/events')
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import re
import socket
import stat
from pathlib import Path
from typing import Any, NamedTuple

from bspump.abc.errors import ConfigError

_FORM = re.compile(r"(?:(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^\s:\[\]]*))(?:\s*:\s*|\s+))?(?P<port>\d+)")
# A name may stand for an address that this machine does not have, such as `::1` without IPv6.
_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_FORMS = "`host port`, `host:port`, `[ipv6]:port`, `*:port`, `port` or the path of a Unix socket"


class Address(NamedTuple):
    """Where a socket is: its family and what the family calls an address.

    `sockaddr` is a path for `AF_UNIX` and (host, port) else; with `AF_UNSPEC` the host is a
    name that is still to be resolved.
    """

    family: socket.AddressFamily
    sockaddr: Any

    def __str__(self) -> str:
        return show_sockaddr(self.sockaddr)


def show_sockaddr(sockaddr: Any) -> str:
    """Return a socket's address as text: `host port`, a path, or nothing if it has no name.

    >>> show_sockaddr(("::1", 80, 0, 0)), show_sockaddr("/run/events"), show_sockaddr(None)
    ('::1 80', '/run/events', '')
    """
    if isinstance(sockaddr, tuple):
        return f"{sockaddr[0]} {sockaddr[1]}"
    if isinstance(sockaddr, bytes):
        return "@" + sockaddr.removeprefix(b"\0").decode("utf-8", "backslashreplace")
    return sockaddr or ""


def parse_address(text: str) -> Address:
    """Return the address that `text` names.

    A bare port is a port of the loopback, `*` stands for all IPv4 interfaces and `[::]` for all
    IPv6 ones. A path contains a slash; `@name` is an abstract Unix socket.

    Raises:
        ConfigError: it is none of these forms.
    """
    text = text.strip()
    if text.startswith("@") and len(text) > 1:
        return Address(socket.AF_UNIX, "\0" + text[1:])
    if "/" in text:
        return Address(socket.AF_UNIX, text)
    found = _FORM.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise ConfigError(f"{text!r} is not an address: expected {_FORMS}")
    port = int(found["port"])
    if found["v6"] is not None:
        return Address(socket.AF_INET6, (_ipv6(found["v6"], text), port))
    host = found["host"] or "127.0.0.1"
    if host == "*":
        return Address(socket.AF_INET, ("0.0.0.0", port))  # noqa: S104 - asked for by name
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return Address(socket.AF_UNSPEC, (host, port))
    return Address(socket.AF_INET, (host, port))


def _ipv6(host: str, text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError as error:
        raise ConfigError(f"{text!r} is not an address: {error}") from error


def parse_addresses(text: str) -> list[Address]:
    r"""Return the addresses that stand in `text`, separated by newlines or commas.

    >>> [str(address) for address in parse_addresses("80, [::1]:80\n/run/events")]
    ['127.0.0.1 80', '::1 80', '/run/events']

    Raises:
        ConfigError: there is none, or one of them is no address.
    """
    parts = [part for part in re.split(r"[,\n]", text) if part.strip()]
    if not parts:
        raise ConfigError(f"no address: expected {_FORMS}")
    return [parse_address(part) for part in parts]


async def resolve(address: Address, kind: socket.SocketKind) -> list[Address]:
    """Return `address` with its host name looked up; the best comes first.

    Raises:
        OSError: the name is not known, or nobody could be asked.
    """
    if address.family != socket.AF_UNSPEC:
        return [address]
    host, port = address.sockaddr
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]


async def bind(
    address: Address, kind: socket.SocketKind, *, receive_buffer_bytes: int = 0
) -> list[socket.socket]:
    """Return sockets without blocking, bound to `address`; port 0 takes any free one.

    There is one for each address that a name stands for, if this machine has that address. The
    file of a Unix socket that nobody listens on any more is replaced. An IPv6 socket takes IPv6
    only, so that the IPv4 address of the same port can be bound as well.

    Raises:
        OSError: it cannot be bound; the message names the address.
    """
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for target in await resolve(address, kind):
            try:
                sockets.append(_bind(target, kind, receive_buffer_bytes))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error
        if missing is not None and not sockets:
            raise missing
    except OSError as error:
        for sock in sockets:
            unbind(sock)
        raise OSError(error.errno, f"cannot listen on {address}: {error.strerror}") from error
    return sockets


def _bind(target: Address, kind: socket.SocketKind, receive_buffer_bytes: int) -> socket.socket:
    sock = socket.socket(target.family, kind)
    try:
        sock.setblocking(False)
        if target.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if target.family != socket.AF_UNIX and kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        if target.family == socket.AF_UNIX:
            _remove_stale(target.sockaddr, kind)
        sock.bind(target.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str, kind: socket.SocketKind) -> None:
    """Remove the file of a Unix socket if nobody listens on it."""
    if path.startswith("\0"):
        return
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            raise FileExistsError(errno.EEXIST, "a file that is no socket is in the way")
        with socket.socket(socket.AF_UNIX, kind) as probe:
            probe.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                try:
                    probe.connect(path)
                except ConnectionRefusedError:
                    Path(path).unlink(missing_ok=True)


def unbind(sock: socket.socket) -> None:
    """Close a bound socket, and remove its file if it is a Unix socket. Twice is fine."""
    if sock.fileno() < 0:
        return
    name = sock.getsockname()
    is_file = sock.family == socket.AF_UNIX and isinstance(name, str) and bool(name)
    sock.close()
    if is_file:
        Path(name).unlink(missing_ok=True)


def address_of(sock: socket.socket) -> Address:
    """Return the address to which `sock` is bound."""
    return Address(socket.AddressFamily(sock.family), sock.getsockname())
