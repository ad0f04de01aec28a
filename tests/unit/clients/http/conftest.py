"""Servers with and without TLS, on the loopback."""

from __future__ import annotations

import contextlib
import ssl
from typing import NamedTuple

import pytest
import trustme
from aiohttp import web


@contextlib.asynccontextmanager
async def serving(handler, *, ssl_context=None):
    """Serve all requests by `handler`; yields the URL."""
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context).start()
        scheme = "https" if ssl_context is not None else "http"
        yield f"{scheme}://localhost:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@pytest.fixture
def serve():
    return serving


class Https(NamedTuple):
    """A server that says who the client is, and what is needed to talk to it."""

    url: str
    ca: str
    client_cert: str
    client_key: str


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
async def https(authority, tmp_path):
    async def handle(request):
        shown = request.transport.get_extra_info("peercert") or {}
        names = [name for _, name in shown.get("subjectAltName", ())]
        return web.Response(text=names[0] if names else "nobody")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    files = [str(tmp_path / name) for name in ("ca.pem", "client.pem", "client.key")]
    client = authority.issue_cert("joe@example.org")
    authority.cert_pem.write_to_path(files[0])
    client.cert_chain_pems[0].write_to_path(files[1])
    client.private_key_pem.write_to_path(files[2])
    async with serving(handle, ssl_context=context) as url:
        yield Https(url, *files)
