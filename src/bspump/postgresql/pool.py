"""A few connections that many use, one at a time each."""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import NotConnectedError

if TYPE_CHECKING:
    from psycopg import AsyncConnection


class Pool:
    """Connections that are opened when they are needed, at most `size`, and kept for the next.

    The one that was used last is taken first. One that the server has ended meanwhile is noticed
    and replaced before it is handed out. One that comes back in the middle of a transaction, or
    broken, is closed. There is no task behind it: a failure to connect is raised to who asks.
    """

    def __init__(self, open_one: Callable[[], Awaitable[AsyncConnection[Any]]], size: int) -> None:
        self._open_one = open_one
        self._idle: list[AsyncConnection[Any]] = []
        self._room = asyncio.Semaphore(size)
        self._is_closed = False

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[AsyncConnection[Any]]:
        """Lend a connection for the time of the block; waits while all are lent."""
        async with self._room:
            connection = await self._take()
            try:
                yield connection
            finally:
                await self._give_back(connection)

    async def _take(self) -> AsyncConnection[Any]:
        if self._is_closed:
            raise NotConnectedError("the pool of connections is closed")
        while self._idle:
            connection = self._idle.pop()
            if _is_alive(connection):
                return connection
            await connection.close()
        return await self._open_one()

    async def _give_back(self, connection: AsyncConnection[Any]) -> None:
        if self._is_closed or not is_idle(connection):
            await connection.close()
        else:
            self._idle.append(connection)

    async def close(self) -> None:
        """Close what is idle, and what is lent when it comes back. Twice is fine."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop().close()


def is_idle(connection: AsyncConnection[Any], *, in_transaction: bool = False) -> bool:
    """Tell whether a connection works and nothing is under way on it.

    Args:
        connection: to the server.
        in_transaction: a transaction that goes well is expected; else none.
    """
    from psycopg.pq import TransactionStatus

    expected = TransactionStatus.INTRANS if in_transaction else TransactionStatus.IDLE
    return not connection.closed and connection.info.transaction_status == expected


def _is_alive(connection: AsyncConnection[Any]) -> bool:
    """Tell whether the server has not ended an idle connection, without asking it."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    # Unasked it has nothing to say but farewell.
    return not poll.poll(0)
