"""Certificates and connected streams."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme

from bspump.clients.sockets.stream import Stream


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return the files of an authority, of a server, of a client, and of a stranger."""
    folder = tmp_path_factory.mktemp("certificates")
    authority, stranger = trustme.CA(), trustme.CA()
    found = SimpleNamespace(
        ca=str(folder / "ca.pem"),
        server=str(folder / "server.pem"),
        client=str(folder / "client.pem"),
        stranger=str(folder / "stranger.pem"),
    )
    authority.cert_pem.write_to_path(found.ca)
    for name, made in (
        (found.server, authority.issue_cert("localhost", "127.0.0.1", "::1")),
        (found.client, authority.issue_cert("client.example")),
        (found.stranger, stranger.issue_cert("client.example")),
    ):
        made.private_key_and_cert_chain_pem.write_to_path(name)
    return found


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Stream, socket.socket]]:
    """Return a stream and the plain socket at its other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    stream = Stream(asyncio.get_running_loop(), ours)
    yield stream, theirs
    stream.abort()
    theirs.close()


@pytest.fixture
def short_path(tmp_path: Path) -> str:
    """Return a path for a Unix socket; it has to be shorter than 108 bytes."""
    path = str(tmp_path / "s")
    if len(path) > 100:
        pytest.skip("does not apply: the temporary directory has too long a name")
    return path
