"""A pipeline around a real source or sink, and certificates."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

import bspump
from bspump.abc.sink import Sink
from bspump.ipc import StreamClientSink
from bspump.testing import eventually


class Collector(Sink):
    """Keeps what it gets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.Events: list[Any] = []
        self.Contexts: list[dict[str, Any]] = []

    def process(self, context, event):
        self.Contexts.append(context)
        self.Events.append(event)


class Watched(bspump.Pipeline):
    """Keeps the errors of events and goes on; other errors stop it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.Rejected: list[tuple[str, dict[str, Any], Any]] = []
        self.Failed: list[BaseException] = []

    def handle_error(self, exception, context, event):
        if context is None:
            self.Failed.append(exception)
            return False
        self.Rejected.append((str(exception), context, event))
        return True


class Pump:
    """One pipeline in one application: made, started, looked at, stopped."""

    def __init__(self) -> None:
        self.app = bspump.BSPumpApplication(args=[])
        self.pipeline = Watched(self.app, "Test")
        self.sink = Collector(self.app, self.pipeline)
        self._stack = AsyncExitStack()

    @property
    def events(self) -> list[Any]:
        return self.sink.Events

    @property
    def contexts(self) -> list[dict[str, Any]]:
        return self.sink.Contexts

    @property
    def rejected(self) -> list[tuple[str, dict[str, Any], Any]]:
        return self.pipeline.Rejected

    def make(self, cls: Callable[..., Any], *args: Any, **config: Any) -> Any:
        return cls(self.app, self.pipeline, None, config, *args)

    async def start(self, *parts: Any) -> None:
        self.pipeline.build(*parts)
        self.app.PumpService.add_pipeline(self.pipeline)
        await self._stack.enter_async_context(self.app.running())

    async def serve(self, cls: Callable[..., Any], *args: Any, **config: Any) -> Any:
        """Start with a source and the collector; return the source once it listens."""
        source = self.make(cls, *args, **{"address": "127.0.0.1 0", **config})
        await self.start(source, self.sink)
        await eventually(lambda: source.Addresses or self.pipeline.Failed)
        return source

    async def got(self, count: int) -> list[Any]:
        """Wait for so many events and return them."""
        await eventually(lambda: len(self.events) >= count)
        return self.events

    async def stop(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def pump() -> AsyncIterator[Pump]:
    made = Pump()
    yield made
    await asyncio.wait_for(made.stop(), 30)


def port_of(source: Any, number: int = 0) -> int:
    return int(source.Addresses[number].split()[1])


@pytest.fixture
def port() -> Callable[..., int]:
    """Return a function that tells on which port a source listens."""
    return port_of


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return the files of an authority, of a server and of a client."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    found = SimpleNamespace(
        ca=str(folder / "ca.pem"),
        server=str(folder / "server.pem"),
        client=str(folder / "client.pem"),
    )
    authority.cert_pem.write_to_path(found.ca)
    for name, made in (
        (found.server, authority.issue_cert("localhost", "127.0.0.1", "::1")),
        (found.client, authority.issue_cert("client.example")),
    ):
        made.private_key_and_cert_chain_pem.write_to_path(name)
    return found


@pytest.fixture
def short_path(tmp_path: Path) -> str:
    """Return a path for a Unix socket; it has to be shorter than 108 bytes."""
    path = str(tmp_path / "s")
    if len(path) > 100:
        pytest.skip("does not apply: the temporary directory has too long a name")
    return path


class Server:
    """Keeps what it receives, byte by byte, over all connections."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.connections: list[asyncio.StreamWriter] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.address = ""
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=context)
        self.address = f"127.0.0.1 {self._server.sockets[0].getsockname()[1]}"

    @property
    def port(self) -> int:
        return int(self.address.split()[1])

    async def _serve(self, reader, writer) -> None:
        self.connections.append(writer)
        try:
            while True:
                await self.reading.wait()
                data = await reader.read(1 << 16)
                if not data:
                    break
                self.received += data
        except OSError:
            pass
        finally:
            writer.close()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self.connections:
                writer.transport.abort()
            await self._server.wait_closed()
            # The tasks of the connections end in the next turns of the loop.
            await asyncio.sleep(0.01)


@pytest.fixture
async def server():
    made = Server()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def tls_servers(certificates) -> AsyncIterator[Callable[..., Any]]:
    """Return a function that starts servers over TLS, which ask for a certificate if `mutual`."""
    started: list[Server] = []

    async def start(*, mutual: bool = False) -> Server:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates.server)
        if mutual:
            context.load_verify_locations(certificates.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        made = Server()
        started.append(made)
        await made.start(context=context)
        return made

    yield start
    for made in started:
        await made.stop()


@pytest.fixture
def sink(pump) -> Callable[..., StreamClientSink]:
    def make(address: str, **config) -> StreamClientSink:
        return pump.make(StreamClientSink, address=address, **{"retry.first": "10ms", **config})

    return make
