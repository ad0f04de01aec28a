"""Constraints that are checked at the end of a transaction, checked earlier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .queries import quoted

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncCursor

_QUERY = b"""
    SELECT n.nspname, c.conname FROM pg_constraint c
    JOIN pg_namespace n ON n.oid = c.connamespace
    WHERE c.condeferred AND has_schema_privilege(n.oid, 'USAGE')
"""


class DeferredConstraints:
    """All constraints of a database that are `INITIALLY DEFERRED`.

    A transaction of many batches that fails in the end would not tell which row is at fault.

    Args:
        names: schemas and names of the constraints.
    """

    def __init__(self, names: list[tuple[str, str]]) -> None:
        those = ", ".join(sorted({f"{quoted(schema)}.{quoted(name)}" for schema, name in names}))
        self._defer = f"SET CONSTRAINTS {those} DEFERRED".encode()

    async def check(self, cursor: AsyncCursor[Any]) -> None:
        """Check what was written so far, and defer what comes later as before.

        Raises:
            psycopg.IntegrityError: a constraint is violated.
        """
        await cursor.execute(b"SET CONSTRAINTS ALL IMMEDIATE")
        await cursor.execute(self._defer)


async def deferred_constraints(connection: AsyncConnection[Any]) -> DeferredConstraints | None:
    """Return those of the database of a connection, `None` if there are none, as most often."""
    cursor = await connection.execute(_QUERY)
    names = await cursor.fetchall()
    return DeferredConstraints(names) if names else None
