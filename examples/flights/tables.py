"""A sink that keeps rows in a table of SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import bspump


class Table(bspump.BatchSink[Any]):
    """Writes dicts as rows; one with the same key replaces the one that was there.

    A batch is a transaction: it may be repeated, and after a crash all of it is there or none.

    Args:
        name: of the table, which is made if it is not there.
        columns: their types by name; a dict needs all of them, what else it has is left out.
        key: the columns that tell rows apart.
    """

    ConfigDefaults = {"path": "flights.db"}
    Capabilities = bspump.Can.IDEMPOTENT

    def __init__(
        self,
        app: Any,
        pipeline: Any,
        name: str,
        columns: Mapping[str, str],
        key: tuple[str, ...],
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        typed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        values = ", ".join(f":{column}" for column in columns)
        self._create = (
            f"CREATE TABLE IF NOT EXISTS {name} ({typed}, PRIMARY KEY ({', '.join(key)}))"
        )
        self._replace = f"INSERT OR REPLACE INTO {name} VALUES ({values})"  # noqa: S608 - our names

    async def connect(self) -> None:
        await asyncio.to_thread(self._execute, self._create, [{}])

    async def write(self, batch: bspump.Batch, /) -> None:
        await asyncio.to_thread(self._execute, self._replace, batch.events)

    def _execute(self, statement: str, rows: Any) -> None:
        try:
            # A connection for each batch: a write that is cancelled keeps nothing open.
            with closing(sqlite3.connect(self.Config["path"])) as database, database:
                database.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise  # It would fail again: shown, and the program ends.
            raise bspump.TransientError(f"{self.Config['path']}: {error}") from error
