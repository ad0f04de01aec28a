"""A server of streams: accepts connections within limits and runs a task for each."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from bspump.abc.host import Context, Pipeline

from .address import Address, address_of, bind, unbind
from .options import StreamServerOptions
from .readiness import wait_readable
from .serving import Endpoint, warn
from .stream import Stream, TLSStream
from .tls import server_context

_HANDSHAKE_S: Final = 10.0
_EXHAUSTED_S: Final = 1.0
_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

Handler = Callable[[Stream, Context], Awaitable[None]]


class StreamServer(Endpoint):
    """Accepts TCP, TLS and Unix connections, and calls `handle(stream, context)` for each.

    The connection is closed when `handle` returns, after what it sent is with the kernel. Beyond
    `max_connections` nothing is accepted: peers wait in the backlog of the kernel.

    Args:
        pipeline: gets the errors of `handle` that are not those of a connection.
        addresses: where to listen.
        options: the limits, and TLS.
        handle: reads the stream to its end.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        addresses: list[Address],
        options: StreamServerOptions,
        handle: Handler,
    ) -> None:
        self._pipeline = pipeline
        self._to_bind = addresses
        self._options = options
        self._handle = handle
        self._tls: ssl.SSLContext | None = None
        self._listeners: list[socket.socket] = []
        self._acceptors: list[asyncio.Task[None]] = []
        self._streams: dict[asyncio.Task[None], Stream] = {}
        self._shaking: dict[Stream, asyncio.Task[None]] = {}
        self._permits = asyncio.Semaphore(options.max_connections)

    @property
    def addresses(self) -> list[str]:
        return [str(address_of(listener)) for listener in self._listeners]

    def __len__(self) -> int:
        """Return how many connections are open."""
        return len(self._streams)

    async def bind(self) -> None:
        if self._options.is_tls:
            self._tls = server_context(self._options)
        for address in self._to_bind:
            self._listeners += await bind(address, socket.SOCK_STREAM)
        backlog = self._options.backlog
        for listener in self._listeners:
            listener.listen(*(() if backlog is None else (backlog,)))

    def start(self, group: asyncio.TaskGroup) -> None:
        self._acceptors = [
            group.create_task(self._accept(listener, group), name=f"accept {listener}")
            for listener in self._listeners
        ]

    def finish(self) -> set[asyncio.Task[None]]:
        for acceptor in self._acceptors:
            acceptor.cancel()
        self._unbind()
        for stream in self._streams.values():
            stream.end_input()
        for task in self._shaking.values():
            task.cancel()
        return set(self._streams)

    def close(self) -> None:
        self._unbind()
        for stream in self._streams.values():
            stream.abort()
        self._streams.clear()

    def _unbind(self) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            if listener.fileno() >= 0:
                loop.remove_reader(listener.fileno())
            unbind(listener)
        self._listeners.clear()

    async def _accept(self, listener: socket.socket, group: asyncio.TaskGroup) -> None:
        while True:
            await wait_readable(listener)
            await self._permits.acquire()
            sock = await self._accepted(listener)
            if sock is None:
                self._permits.release()
            else:
                self._start_connection(sock, group)

    async def _accepted(self, listener: socket.socket) -> socket.socket | None:
        """Return a connection, `None` if there is none after all."""
        try:
            return listener.accept()[0]
        except OSError as error:
            # Anything else is the failure of one connection that ended before it was accepted.
            if error.errno in _EXHAUSTED:
                warn(self._pipeline, "cannot accept connections", error=str(error))
                await self._pipeline.Clock.sleep(_EXHAUSTED_S)
            return None

    def _start_connection(self, sock: socket.socket, group: asyncio.TaskGroup) -> None:
        loop, limit = asyncio.get_running_loop(), self._options.max_outbound_bytes
        stream: Stream
        try:
            if self._tls is None:
                stream = Stream(loop, sock, limit)
            else:
                stream = TLSStream(loop, sock, self._tls, limit, server_side=True)
        except OSError:
            # The peer has left already.
            sock.close()
            self._permits.release()
            return
        task = group.create_task(self._serve(stream), name=f"connection {stream.peer}")
        self._streams[task] = stream
        if self._tls is not None:
            self._shaking[stream] = task
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        # A task that is cancelled before it begins never comes to its own `finally`.
        stream = self._streams.pop(task, None)
        if stream is not None:
            self._shaking.pop(stream, None)
            stream.abort()
        self._permits.release()

    async def _serve(self, stream: Stream) -> None:
        try:
            if not await self._shake_hands(stream):
                return
            await self._handle(stream, self._context_of(stream))
            await stream.close()
        except OSError as error:
            warn(self._pipeline, "connection broke", peer=stream.peer, error=str(error))
        except Exception as error:  # noqa: BLE001 - a bug of the protocol is the pipeline's error
            self._pipeline.set_error(None, None, error)

    async def _shake_hands(self, stream: Stream) -> bool:
        """Return False if the peer does not manage the handshake."""
        if not isinstance(stream, TLSStream):
            return True
        try:
            async with asyncio.timeout(_HANDSHAKE_S):
                await stream.handshake()
        except (OSError, TimeoutError) as error:
            reason = str(error) or "it took too long"
            warn(self._pipeline, "TLS handshake failed", peer=stream.peer, error=reason)
            return False
        self._shaking.pop(stream, None)
        return True

    def _context_of(self, stream: Stream) -> Context:
        return {
            "stream_type": stream.type,
            "stream_dir": "in",
            "stream_peer": stream.peer,
            "stream_me": stream.me,
            "stream": stream,
        }
