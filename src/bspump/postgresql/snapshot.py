"""The rows that published tables hold at the moment at which a replication slot begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bspump.abc.errors import NotConnectedError

from .changes import Event, change
from .lsn import parse_lsn
from .queries import literal, quoted, quoted_list
from .rows import ServerRows
from .slot import copy_slot

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from .connection import PostgreSQLConnection

# Which columns are the key that changes of the table come with.
_KEY: Final = b"""
    SELECT a.attname FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND a.attnum = ANY(i.indkey)
        AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END
    WHERE n.nspname = %s AND c.relname = %s
        AND (c.relreplident = 'f' OR c.relreplident IN ('d', 'i') AND i.indexrelid IS NOT NULL)
    ORDER BY a.attnum
"""


class InitialSnapshot:
    """Rows of all tables of a publication, read in one transaction of the server.

    A temporary slot is created, which names the state of the database at its beginning; the rows
    are read in that state. Only when they are durable, `confirm` makes a lasting slot that begins
    at the same point. If something fails before, nothing is left of it at the server, and the
    snapshot has to be made again: there is nothing in between that could be lost.
    """

    def __init__(self, connection: PostgreSQLConnection, publication: str) -> None:
        self.events = 0
        self.is_complete = self.is_durable = False
        self.lsn = 0
        self._connection, self._publication = connection, publication
        self._replication: AsyncConnection[Any] | None = None
        self._reading: AsyncConnection[Any] | None = None
        self._temporary = ""
        self._tables: list[dict[str, Any]] = []
        self._rows: ServerRows | None = None
        self._key: list[str] = []

    async def open(self, slot: str) -> None:
        """Create the temporary slot and begin the transaction that reads its state."""
        from psycopg.rows import dict_row

        self._replication = await self._connection.open(replication="database")
        self._reading = await self._connection.open()
        with self._connection.errors():
            self._temporary = f"{slot[:50]}_{self._replication.info.backend_pid}"
            created = await self._replication.execute(
                f"CREATE_REPLICATION_SLOT {quoted(self._temporary)} TEMPORARY LOGICAL pgoutput"
                f" EXPORT_SNAPSHOT".encode()
            )
            row = await created.fetchone()
            assert row is not None  # noqa: S101 - the command returns one row, or fails
            self.lsn = parse_lsn(row[1])
            # A pipeline that is held back for long must not lose its place.
            await self._reading.execute(b"SET idle_in_transaction_session_timeout = 0")
            await self._reading.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await self._reading.execute(f"SET TRANSACTION SNAPSHOT {literal(row[2])}".encode())
            cursor = self._reading.cursor(row_factory=dict_row)
            await cursor.execute(
                b"SELECT * FROM pg_publication_tables WHERE pubname = %s"
                b" ORDER BY schemaname, tablename",
                [self._publication],
            )
            self._tables = await cursor.fetchall()

    async def read(self, count: int) -> list[Event]:
        """Return up to `count` more rows as events; none if there are no more."""
        with self._connection.errors():
            while self._tables:
                if self._rows is None:
                    self._rows = await self._begin_table(self._tables[0])
                if rows := await self._rows.fetch(count):
                    return self._events(rows)
                await self._rows.close()
                self._rows = None
                del self._tables[0]
        self.is_complete = True
        return []

    async def _begin_table(self, table: dict[str, Any]) -> ServerRows:
        if self._reading is None:
            raise NotConnectedError("the snapshot is closed")
        schema, name = table["schemaname"], table["tablename"]
        found = await self._reading.execute(_KEY, [schema, name])
        self._key = [column for (column,) in await found.fetchall()]
        # Since PostgreSQL 15 a publication may choose columns and rows.
        columns = quoted_list(table["attnames"]) if table.get("attnames") else "*"
        where = f" WHERE {table['rowfilter']}" if table.get("rowfilter") else ""
        rows = ServerRows(self._reading)
        of = f"{quoted(schema)}.{quoted(name)}"
        await rows.open(f"SELECT {columns} FROM {of}{where}")  # noqa: S608 - it is the server's
        return rows

    def _events(self, rows: list[dict[str, Any]]) -> list[Event]:
        table, events = self._tables[0], []
        for row in rows:
            self.events += 1
            key = {column: row[column] for column in self._key if column in row} or None
            events.append(
                change(
                    "snapshot",
                    table["schemaname"],
                    table["tablename"],
                    key=key,
                    new=row,
                    # No record begins there, so it is the place of no other change.
                    lsn=self.lsn - 1,
                    sequence=self.events,
                )
            )
        return events

    async def confirm(self, slot: str) -> None:
        """Create the lasting slot: all rows are durable. Changes follow from `lsn` on."""
        if self._replication is None:
            raise NotConnectedError("the snapshot is closed")
        with self._connection.errors():
            await copy_slot(self._replication, self._temporary, slot)

    async def close(self) -> None:
        """Let go of the transaction and of the temporary slot. Twice is fine."""
        for connection in (self._reading, self._replication):
            if connection is not None:
                await connection.close()
        self._reading = self._replication = None
