"""What every sink promises, for the stream client sink over TCP and over TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bspump.formats.framing_counted import LengthPrefixFraming
from bspump.ipc import StreamClientSink
from bspump.testing import eventually
from bspump.testing.contracts import SinkContract, SinkTarget


class Destination:
    """A server that keeps the messages of all connections in the order of their arrival."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.address = ""
        self._bytes = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.address = f"127.0.0.1 {self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader, writer) -> None:
        framing = LengthPrefixFraming(max_bytes=1 << 24)
        self._writers.add(writer)
        try:
            while data := await reader.read(1 << 16):
                self._bytes += len(data)
                self.messages += framing.feed(data)
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def stored(self) -> list[bytes]:
        """Return the messages once the kernel has nothing more for us."""
        before = -1
        while before != self._bytes:
            before = self._bytes
            await asyncio.sleep(0.02)
        return self.messages

    async def disconnect(self, sink: Any) -> None:
        """Reset all connections, and wait until their other ends can know."""
        if sink is not None:
            await eventually(lambda: self._writers)
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self.disconnect(None)
        await self._server.wait_closed()


def _event(number: int, text: str) -> bytes:
    return f"{number}:{text}".encode()


@pytest.fixture
async def destination() -> AsyncIterator[Destination]:
    made = Destination()
    yield made
    await made.stop()


def _target(destination: Destination, **config: str) -> SinkTarget:
    config = {"address": destination.address, "framing": "length", "retry.first": "1ms", **config}
    return SinkTarget(
        make=lambda app, pipeline: StreamClientSink(app, pipeline, "Out", config),
        stored=destination.stored,
        event=_event,
        poison=42,
        disconnect=destination.disconnect,
    )


class TestStreamClientSink(SinkContract):
    @pytest.fixture
    async def target(self, destination: Destination) -> SinkTarget:
        await destination.start()
        return _target(destination)


class TestStreamClientSinkOverTLS(SinkContract):
    @pytest.fixture
    async def target(self, destination: Destination, certificates) -> SinkTarget:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates.server)
        await destination.start(context)
        return _target(destination, cafile=certificates.ca)
