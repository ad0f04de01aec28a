"""A network that is slow, or breaks, between a program and a server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final, Self

from bspump.core.clock import SystemClock

_HOST: Final = "127.0.0.1"
_PIECE_BYTES: Final = 16_384


class TcpProxy:
    """Passes on what a program and a server say to each other, as well as a test lets it.

    Use it as an asynchronous context manager, and let the program connect to `port`. What can be
    changed while connections are open is followed with the next piece of at most 16 KiB.

    Args:
        port: of the server.
        host: of the server.

    Attributes:
        port: where the program connects to; the same until the end.
        delay_s: each piece arrives so much later, in both directions.
        bytes_per_s: so much passes through a connection in each direction; `None`: all there is.
        target_port: of the server; it may change, for connections to come.
        connections: how many were made so far.
    """

    def __init__(self, port: int, host: str = _HOST) -> None:
        self.port = 0
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.connections = 0
        self.target_port, self._host = port, host
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self._server: asyncio.Server | None = None
        self._is_closing = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._sleep = SystemClock().sleep

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, _HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is None:
            return
        self._server.close()
        self._is_closing = True
        tasks = [task for task in self._tasks if task is not None]
        for task in tasks:
            task.cancel()
        self.cut()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break all connections, without a word; new ones can be made."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def freeze(self) -> None:
        """Let nothing pass any more; connections stay open, and new ones can be made."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let everything pass again, also what has been said since `freeze`."""
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        ends = [writer]
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError):
                from_server, to_server = await asyncio.open_connection(self._host, self.target_port)
                ends.append(to_server)
                self._writers.add(to_server)
                await asyncio.gather(self._pass(reader, to_server), self._pass(from_server, writer))
        except asyncio.CancelledError:
            # Streams of Python 3.11 complain about a handler that ends as cancelled.
            if not self._is_closing:
                raise
        finally:
            for end in ends:
                self._writers.discard(end)
                end.close()
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_PIECE_BYTES):
            if not self._flowing.is_set():
                await self._flowing.wait()
            if wait_s := self.delay_s + len(data) / (self.bytes_per_s or float("inf")):
                await self._sleep(wait_s)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
