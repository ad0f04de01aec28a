"""The table that tells which epoch of a sink was committed, in the same transaction as its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bspump.abc.errors import ConfigError
from bspump.abc.sink import EpochId

from .queries import quoted_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection

# The lock goes to one transaction of a sink at a time. That of a connection that is lost may
# still be committed by the server, so nobody may look before it has ended. So the server is to
# notice within a minute that the host of the program is gone, not after hours.
_LOCK: Final = b"SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_PATIENCE: Final = b"SET LOCAL lock_timeout = '5s'"
_NOTICE_THE_DEAD: Final = (
    b"SET tcp_keepalives_idle = 30",
    b"SET tcp_keepalives_interval = 10",
    b"SET tcp_keepalives_count = 3",
)


class Epochs:
    """One row for each sink and store of checkpoints: `sink`, `lineage`, `number`.

    Args:
        table: its name, with or without its schema; it is made if it is not there.
        sink: address of the sink.
        lineage: of the epochs.
    """

    def __init__(self, table: str, sink: str, lineage: str) -> None:
        self._name, self._key = quoted_table(table), (sink, lineage)
        self._lock = [" ".join(["bspump", self._name, *self._key])]

    async def prepare(self, connection: AsyncConnection[Any]) -> None:
        """Make the table, and set up the connection.

        Raises:
            ConfigError: it is not there, and the user may not make it.
        """
        from psycopg import errors

        for statement in _NOTICE_THE_DEAD:
            await connection.execute(statement)
        cursor = await connection.execute("SELECT to_regclass(%s)", [self._name])
        if (await cursor.fetchone() or [None])[0] is not None:
            return
        create = (
            f"CREATE TABLE IF NOT EXISTS {self._name} (sink text, lineage text,"
            " number bigint NOT NULL, PRIMARY KEY (sink, lineage))"
        )
        try:
            await connection.execute(create.encode())
        except errors.UniqueViolation:
            pass  # Somebody else has just made it.
        except errors.InsufficientPrivilege as error:
            raise ConfigError(
                f"the table {self._name} is needed to write exactly once: {error}\n"
                f"  what to do: have somebody run: {create}\n"
                "  and grant SELECT, INSERT and UPDATE on it to the user of the connection"
            ) from error

    async def begin(self, connection: AsyncConnection[Any]) -> None:
        """Begin a transaction, when the one before it has ended on whatever connection."""
        await connection.execute(b"BEGIN")
        await connection.execute(_LOCK, self._lock)

    async def store(self, connection: AsyncConnection[Any], number: int) -> None:
        """Note the number of the epoch in the open transaction."""
        statement = (
            f"INSERT INTO {self._name} (sink, lineage, number) VALUES (%s, %s, %s)"  # noqa: S608
            " ON CONFLICT (sink, lineage) DO UPDATE SET number = excluded.number"
        )
        await connection.execute(statement.encode(), [*self._key, number])

    async def last(self, connection: AsyncConnection[Any]) -> EpochId | None:
        """Return the epoch that was committed last; no transaction of the sink is open then.

        Raises:
            psycopg.errors.LockNotAvailable: one that is lost is open still at the server.
        """
        query = f"SELECT number FROM {self._name} WHERE sink = %s AND lineage = %s"  # noqa: S608
        async with connection.transaction():
            await connection.execute(_PATIENCE)
            await connection.execute(_LOCK, self._lock)
            cursor = await connection.execute(query.encode(), self._key)
            row = await cursor.fetchone()
        return None if row is None else EpochId(self._key[1], row[0])
