"""A server of datagrams: reads UDP and Unix sockets in bursts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bspump.abc.errors import RejectedError
from bspump.abc.host import Context, Pipeline

from .address import Address, address_of, bind, unbind
from .readiness import Waiter, wait_readable, wake
from .serving import Endpoint

_BURST: Final = 1000
_BURST_BYTES: Final = 4 << 20

Taker = Callable[[list[bytes], list[Context]], Awaitable[None]]


class DatagramServer(Endpoint):
    """Reads datagrams, at most 1000 or 4 MiB at a time, and hands them on in lists.

    While the pipeline is not ready nothing is read. What comes meanwhile is kept by the kernel
    as far as its buffer goes; what does not fit is dropped there, and nobody is told.

    Args:
        pipeline: is waited for, and gets what is too long.
        who: the source, as the one who rejects.
        addresses: where to read.
        max_packet_bytes: of one datagram; a longer one is rejected.
        receive_buffer_bytes: what the kernel is to keep; 0 leaves it to the system.
        take: called with datagrams and a context for each: `{"datagram": peer}`, the peer's
            address or `None` if it has none.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        who: Any,
        addresses: list[Address],
        *,
        max_packet_bytes: int,
        receive_buffer_bytes: int,
        take: Taker,
    ) -> None:
        self._pipeline, self._who, self._take = pipeline, who, take
        self._to_bind = addresses
        self._max_packet_bytes = max_packet_bytes
        self._receive_buffer_bytes = receive_buffer_bytes
        self._sockets: list[socket.socket] = []
        self._waiters: dict[socket.socket, Waiter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_finishing = False

    @property
    def addresses(self) -> list[str]:
        return [str(address_of(sock)) for sock in self._sockets]

    async def bind(self) -> None:
        for address in self._to_bind:
            self._sockets += await bind(
                address, socket.SOCK_DGRAM, receive_buffer_bytes=self._receive_buffer_bytes
            )

    def start(self, group: asyncio.TaskGroup) -> None:
        self._tasks = {
            group.create_task(self._run(sock), name=f"datagrams {address_of(sock)}")
            for sock in self._sockets
        }

    def finish(self) -> set[asyncio.Task[None]]:
        self._is_finishing = True
        for waiter in self._waiters.values():
            wake(waiter)
        return self._tasks

    def close(self) -> None:
        for sock in self._sockets:
            unbind(sock)
        self._sockets.clear()

    async def _run(self, sock: socket.socket) -> None:
        while not self._is_finishing:
            self._waiters[sock] = asyncio.get_running_loop().create_future()
            await wait_readable(sock, self._waiters[sock])
            if not self._is_finishing:
                await self._pass_on(sock)
        # What has arrived by now is not more than the kernel had room for.
        left_bytes = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        while left_bytes > 0 and _has_input(sock):
            left_bytes -= await self._pass_on(sock)

    async def _pass_on(self, sock: socket.socket) -> int:
        """Pass on one burst; return how many bytes of the kernel's buffer it took."""
        await self._pipeline.ready()
        datagrams, contexts, taken_bytes = self._receive(sock)
        if datagrams:
            await self._take(datagrams, contexts)
        return taken_bytes

    def _receive(self, sock: socket.socket) -> tuple[list[bytes], list[Context], int]:
        """Return what there is, without waiting."""
        datagrams: list[bytes] = []
        contexts: list[Context] = []
        total_bytes, limit = 0, self._max_packet_bytes
        for _ in range(_BURST):
            if total_bytes >= _BURST_BYTES:
                break
            try:
                data, peer = sock.recvfrom(limit + 1)
            except BlockingIOError:
                break
            total_bytes += len(data) or 1
            if len(data) > limit:
                self._reject_long(data, peer)
            else:
                datagrams.append(data)
                contexts.append({"datagram": peer or None})
        return datagrams, contexts, total_bytes

    def _reject_long(self, data: bytes, peer: Any) -> None:
        error = RejectedError(f"expected a datagram of at most {len(data) - 1} bytes, got more")
        self._pipeline.reject([({"datagram": peer or None}, data)], error, self._who)


def _has_input(sock: socket.socket) -> bool:
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True
