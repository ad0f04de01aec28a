"""Writes orders to a table of SQLite exactly once: the epoch is committed with the rows.

Lines that are added to `orders.ndjson` are followed.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import bspump
import bspump.file
from bspump.abc.errors import NotConnectedError
from bspump.abc.sink import Batch, EpochId, EpochSink, TransactionalSinkOptions

T = TypeVar("T")

TABLES = """
CREATE TABLE IF NOT EXISTS orders (number INTEGER, customer TEXT, cents INTEGER);
CREATE TABLE IF NOT EXISTS epochs (sink TEXT PRIMARY KEY, lineage TEXT, number INTEGER);
"""


class OrdersSink(EpochSink[TransactionalSinkOptions]):
    """Inserts orders. A transaction that is not committed ends with the connection."""

    _database: sqlite3.Connection | None = None

    async def connect(self) -> None:
        database = sqlite3.connect("orders.sqlite", check_same_thread=False, isolation_level=None)
        self._database = database
        await self._call(lambda: database.executescript(TABLES))

    async def committed(self) -> EpochId | None:
        query = "SELECT lineage, number FROM epochs WHERE sink = ?"
        found = await self._execute(query, [(self.locate_address(),)])
        return EpochId(*found) if found else None

    async def write(self, batch: Batch, /) -> None:
        rows = [(each["number"], each["customer"], each["cents"]) for each in batch.events]
        await self._execute("INSERT INTO orders VALUES (?, ?, ?)", rows)

    async def commit(self, epoch: EpochId, positions: Mapping[str, Any], /) -> None:
        address = self.locate_address()
        await self._execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", [(address, *epoch)])
        await self._call(self._connected().commit)

    async def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _connected(self) -> sqlite3.Connection:
        if self._database is None:
            raise NotConnectedError("orders.sqlite is not open")
        return self._database

    async def _execute(self, query: str, rows: list[tuple[Any, ...]]) -> tuple[Any, ...] | None:
        """Execute for each row in the transaction, and begin one where there is none."""
        database = self._connected()

        def work() -> tuple[Any, ...] | None:
            if query.startswith("SELECT"):
                return database.execute(query, rows[0]).fetchone()
            if not database.in_transaction:
                database.execute("BEGIN IMMEDIATE")
            database.executemany(query, rows)
            return None

        return await self._call(work)

    async def _call(self, work: Callable[[], T]) -> T:
        """Work in a thread; an error of the database means: connect again, write all again."""
        try:
            return await asyncio.to_thread(work)
        except sqlite3.Error as error:
            raise NotConnectedError(f"orders.sqlite: {error}") from error


class Orders(bspump.Pipeline):
    """From lines to rows."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.TailSource(app, self, config={"path": "orders.ndjson", "codec": "json"}),
            OrdersSink(app, self, config={"batch.max_age": 0.1}),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication(["--set", "[general] var_dir=data", *sys.argv[1:]])
    application.PumpService.add_pipeline(Orders(application))
    sys.exit(application.run())
