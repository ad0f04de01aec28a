"""Connected sockets, plain and TLS, read and written without blocking the loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import ssl
import struct
import termios
from typing import Final

from .address import show_sockaddr
from .readiness import Waiter, wait_readable, wait_writable, wake

CHUNK_BYTES: Final = 1 << 18
"""What one read takes at the most: beyond this, larger reads are not any faster."""

_CLOSE_S: Final = 5.0
# A peer that vanished without a goodbye is noticed after 60 + 4 * 15 seconds.
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
_TLS_RECORD_BYTES: Final = 1 << 14


class Stream:
    """A connected stream socket: one task reads, anyone may `send` without waiting.

    What is sent waits in memory until the peer takes it. A peer that lets more than
    `outbound_max_bytes` wait loses its connection: otherwise it could fill the memory.

    Attributes:
        peer: the address of the other end, as text; empty for an unnamed Unix socket.
        me: the address of this end.
        has_peer_ended: the peer has closed its side, and everything before that was read.

    Raises:
        OSError: the socket is not connected, or not any more.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        outbound_max_bytes: int | None = None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._outbound_max_bytes = outbound_max_bytes
        self._outbound = bytearray()
        self._reading: Waiter | None = None
        self._drained: Waiter | None = None
        self._writing = False
        self._to_read: int | None = None
        self._error: OSError | None = None
        self.has_peer_ended = False
        self.peer = show_sockaddr(sock.getpeername())
        self.me = show_sockaddr(sock.getsockname())
        sock.setblocking(False)
        if sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE:
                if hasattr(socket, name):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    @property
    def type(self) -> str:
        """Which kind it is: `tcp`, `tls` or `unix`."""
        return "unix" if self._sock.family == socket.AF_UNIX else "tcp"

    @property
    def is_closed(self) -> bool:
        """Tell whether the socket is closed on this side."""
        return self._sock.fileno() < 0

    @property
    def outbound_bytes(self) -> int:
        """How much was sent and is not with the kernel yet."""
        return len(self._outbound)

    async def recv(self, max_bytes: int = CHUNK_BYTES) -> bytes:
        """Return what has arrived, at most `max_bytes`; waits for some. Empty at the end.

        The end is the peer's if `has_peer_ended`, and ours otherwise. Cancelling loses nothing.

        Raises:
            OSError: the connection broke.
        """
        while (data := self.recv_nowait(max_bytes)) is None:
            await self.readable()
        return data

    def recv_nowait(self, max_bytes: int = CHUNK_BYTES) -> bytes | None:
        """Return what has arrived, empty at the end, `None` if there is nothing now.

        Raises:
            OSError: the connection broke.
        """
        to_read = self._to_read
        if to_read is not None:
            max_bytes = min(max_bytes, to_read)
        if not max_bytes:
            return b""
        try:
            data = self._read(max_bytes)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None if to_read is None else b""
        if to_read is not None:
            self._to_read = to_read - len(data)
        if not data:
            self.has_peer_ended = True
            self._to_read = 0
        return data

    async def readable(self) -> bool:
        """Wait until something may have arrived; takes nothing. False if nothing is to come."""
        if self._to_read is None and not self._pending():
            self._reading = self._loop.create_future()
            await wait_readable(self._sock, self._reading)
        return self._to_read != 0

    async def recv_into(self, buffer: bytearray | memoryview) -> int:
        """Read into `buffer`; return how many bytes came, 0 at the end."""
        data = await self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    async def recv_exactly(self, count: int) -> bytes:
        """Return exactly `count` bytes.

        Raises:
            asyncio.IncompleteReadError: the stream ended before; it has what had come.
        """
        data = bytearray()
        while len(data) < count:
            chunk = await self.recv(count - len(data))
            if not chunk:
                raise asyncio.IncompleteReadError(bytes(data), count)
            data += chunk
        return bytes(data)

    def send(self, data: bytes) -> bool:
        """Send `data` as soon as the peer takes it; never waits and never raises.

        Returns:
            False if the connection is gone and `data` with it.
        """
        if self.is_closed or self._error is not None:
            return False
        self._outbound += data
        if not self._writing:
            self._write()
        limit = self._outbound_max_bytes
        if limit is not None and len(self._outbound) > limit:
            self._fail(ConnectionAbortedError("the peer does not take what is sent to it"))
        return self._error is None

    async def outbound(self) -> None:
        """Wait until everything that was sent is with the kernel.

        Raises:
            OSError: the connection broke, and something of it was lost.
        """
        while self._outbound and self._error is None:
            if self._drained is None or self._drained.done():
                self._drained = self._loop.create_future()
            await asyncio.shield(self._drained)
        if self._error is not None:
            raise self._error

    def end_input(self) -> None:
        """Let the reader see the end after what has arrived, whatever the peer may still send."""
        if self._to_read is None:
            self._to_read = 0 if self.is_closed else self._arrived()
        wake(self._reading)

    def discard_input(self) -> bool:
        """Throw away what has arrived, or much of it; return False if the peer has ended.

        Raises:
            OSError: the connection broke.
        """
        for _ in range(4):
            data = self.recv_nowait()
            if not data:
                return data is None
        return True

    async def close(self) -> None:
        """Close once everything that was sent is with the kernel, after 5 seconds anyway."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self.outbound()
        except (TimeoutError, OSError):
            pass  # What the peer did not take in time is lost with the connection.
        finally:
            self.abort()

    def abort(self) -> None:
        """Close now; what is not with the kernel is lost. Twice is fine."""
        if self.is_closed:
            return
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._shut()
        self._sock.close()
        self._outbound.clear()
        self._error = self._error or ConnectionAbortedError("the stream is closed")
        self._to_read = 0
        wake(self._reading)
        wake(self._drained)

    def _read(self, max_bytes: int) -> bytes:
        return self._sock.recv(max_bytes)

    def _pending(self) -> int:
        """Return how many bytes have left the kernel and were not read yet."""
        return 0

    def _arrived(self) -> int:
        """Return how many bytes there are to read."""
        waiting = fcntl.ioctl(self._sock, termios.FIONREAD, bytes(4))
        count: int = struct.unpack("i", waiting)[0]
        return count + self._pending()

    def _shut(self) -> None:
        """Say goodbye, if the protocol has a way to."""

    def _write(self) -> None:
        """Hand over to the kernel what it takes now, and come back for the rest."""
        try:
            while self._outbound:
                with memoryview(self._outbound) as view, view[:CHUNK_BYTES] as piece:
                    sent = self._sock.send(piece)
                del self._outbound[:sent]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            if not self._writing:
                self._loop.add_writer(self._sock.fileno(), self._write)
                self._writing = True
            return
        except OSError as error:
            self._fail(error)
            return
        self._stop_writing()
        wake(self._drained)

    def _stop_writing(self) -> None:
        if self._writing:
            self._loop.remove_writer(self._sock.fileno())
            self._writing = False

    def _fail(self, error: OSError) -> None:
        self._error = error
        self._outbound.clear()
        self._stop_writing()
        wake(self._drained)
        self.end_input()


class TLSStream(Stream):
    """A stream over TLS. Call `handshake` first."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        context: ssl.SSLContext,
        outbound_max_bytes: int | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
    ) -> None:
        sock.setblocking(False)
        self._tls = context.wrap_socket(
            sock,
            server_side=server_side,
            server_hostname=server_hostname,
            do_handshake_on_connect=False,
        )
        self._read_error: OSError | None = None
        super().__init__(loop, self._tls, outbound_max_bytes)

    @property
    def type(self) -> str:
        return "tls"

    async def handshake(self) -> None:
        """Agree on keys and verify each other.

        Raises:
            ssl.SSLError: the peer is not trusted, or does not speak TLS.
            OSError: the connection broke.
        """
        while not self.is_closed:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await wait_readable(self._tls)
            except ssl.SSLWantWriteError:
                await wait_writable(self._tls)
            else:
                return
        raise ConnectionAbortedError("closed during the handshake")

    def _read(self, max_bytes: int) -> bytes:
        if self._read_error is not None:
            raise self._read_error
        # One call returns one record at the most: take as many as there are.
        records: list[bytes] = []
        missing = max_bytes
        try:
            while missing and (record := self._tls.recv(min(missing, _TLS_RECORD_BYTES))):
                records.append(record)
                missing -= len(record)
        except ssl.SSLWantReadError:
            if not records:
                raise
        except OSError as error:
            if not records:
                raise
            # What came before the connection broke counts; the next read tells of the break.
            self._read_error = error
        return b"".join(records)

    def _pending(self) -> int:
        return self._tls.pending()

    def _shut(self) -> None:
        # The goodbye is sent if there is room for it; nobody waits for the peer's.
        with contextlib.suppress(OSError, ValueError):
            self._tls.unwrap()
