"""Connecting to the first of several addresses that answers."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence

from bspump.abc.errors import ConfigError, NotConnectedError

from .address import Address, resolve
from .stream import Stream, TLSStream


async def connect(
    addresses: Sequence[Address],
    context: ssl.SSLContext | None = None,
    *,
    server_hostname: str = "",
    timeout_s: float,
) -> Stream:
    """Return a stream connected to the first of `addresses` that can be, in their order.

    Args:
        addresses: a name that stands for several addresses is tried at each.
        context: for TLS; the stream is ready when the handshake is done.
        server_hostname: what the certificate must be for; if empty, the host of the address.
        timeout_s: for each attempt, name and handshake included.

    Raises:
        NotConnectedError: none could be connected; the message has the reason of each.
        ConfigError: TLS is to verify a name, and there is none.
    """
    reasons = []
    for address in addresses:
        name = server_hostname or _host_of(address)
        if context is not None and context.check_hostname and not name:
            raise ConfigError(f"server_hostname: expected the name that {address} must prove")
        try:
            async with asyncio.timeout(timeout_s):
                return await _connect(address, context, name)
        except TimeoutError:
            reasons.append(f"{address}: no answer within {timeout_s:g} seconds")
        except OSError as error:
            reasons.append(f"{address}: {error}")
    raise NotConnectedError("cannot connect to " + "; ".join(reasons))


def _host_of(address: Address) -> str:
    return "" if address.family == socket.AF_UNIX else str(address.sockaddr[0])


async def _connect(address: Address, context: ssl.SSLContext | None, name: str) -> Stream:
    failure: OSError | None = None
    for found in await resolve(address, socket.SOCK_STREAM):
        try:
            return await _open(found, context, name)
        except OSError as error:
            failure = error
    raise failure or OSError("the name stands for no address")


async def _open(address: Address, context: ssl.SSLContext | None, name: str) -> Stream:
    """Connect; nothing stays open when it fails or is cancelled."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    sock.setblocking(False)
    stream: Stream | None = None
    try:
        await loop.sock_connect(sock, address.sockaddr)
        if context is None:
            return Stream(loop, sock)
        stream = tls = TLSStream(loop, sock, context, server_hostname=name or None)
        await tls.handshake()
    except BaseException:
        if stream is not None:
            stream.abort()
        sock.close()
        raise
    return stream
