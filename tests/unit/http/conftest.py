"""A real server on the loopback that answers as the test says, and pipelines to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from aiohttp import web

import bspump
from bspump.testing.memory_ends import MemorySink

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Seen(NamedTuple):
    """A request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes


def answer(status: int = 200, body: bytes | str = b"", **headers: str) -> Answer:
    """Return an answer of these contents; underscores in names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def respond(_: web.Request) -> web.StreamResponse:
        content = body.encode() if isinstance(body, str) else body
        return web.Response(status=status, body=content, headers=named)

    return respond


def break_off(body: bytes, length: int = 1000) -> Answer:
    """Return an answer that promises `length` bytes and breaks the connection after `body`."""

    async def respond(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(length)})
        await response.prepare(request)
        await response.write(body)
        assert request.transport is not None
        request.transport.close()
        return response

    return respond


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Break the connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def never(_: web.Request) -> web.StreamResponse:
    """Do not answer at all."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


class Server:
    """Answers by `answers`, one after the other, then by `default`; keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answers: deque[Answer] = deque()
        self.default: Answer = answer()
        self.url = ""
        self.connections = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(
            Seen(
                request.method,
                request.path,
                dict(request.query),
                request.headers.copy(),
                await request.read(),
            )
        )
        respond = self.answers.popleft() if self.answers else self.default
        return await respond(request)


@contextlib.asynccontextmanager
async def serving(handler: Answer, *, port: int = 0, ssl_context: Any = None) -> AsyncIterator[str]:
    """Serve all requests by `handler`; yields the URL."""
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=ssl_context)
        await site.start()
        scheme = "https" if ssl_context is not None else "http"
        yield f"{scheme}://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    async with serving(found.handle) as url:
        found.url = url
        yield found


@pytest.fixture
async def app() -> Any:
    return bspump.BSPumpApplication(args=[])


@pytest.fixture
def pipeline(app: Any) -> Any:
    """Return a pipeline that is not built yet, registered at the service."""
    found = bspump.Pipeline(app, "Test", config={"stop_timeout": 2})
    app.PumpService.add_pipeline(found)
    return found


@pytest.fixture
def sink(app: Any, pipeline: Any) -> MemorySink:
    return MemorySink(app, pipeline)


@pytest.fixture
def tools() -> Any:
    """Return the functions of this file: tests cannot import it."""

    class Tools:
        answer = staticmethod(answer)
        break_off = staticmethod(break_off)
        hang_up = staticmethod(hang_up)
        never = staticmethod(never)
        serving = staticmethod(serving)

    return Tools
