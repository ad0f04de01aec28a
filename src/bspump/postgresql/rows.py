"""The result of a query that is fetched piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .queries import quoted

if TYPE_CHECKING:
    from psycopg import AsyncConnection

_NAME = quoted("bspump")


class ServerRows:
    """Rows of a query, which the server keeps in a cursor until they are fetched.

    It lives as long as the transaction that is under way; a connection has one at a time. What
    goes wrong is an error of psycopg.
    """

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def open(self, query: str) -> None:
        """Run the query."""
        query = query.strip().rstrip(";")
        await self._connection.execute(f"DECLARE {_NAME} NO SCROLL CURSOR FOR {query}".encode())

    async def fetch(self, count: int) -> list[dict[str, Any]]:
        """Return up to `count` more rows, by the names of their columns; none at the end."""
        cursor = await self._connection.execute(f"FETCH FORWARD {count} FROM {_NAME}".encode())
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]

    async def close(self) -> None:
        """Let the server forget the rest, so that there may be another one."""
        await self._connection.execute(f"CLOSE {_NAME}".encode())
