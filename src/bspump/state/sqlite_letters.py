"""The dead letters of the SQLite store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bspump.abc.dead_letters import (
    ALL_LETTERS,
    DeadLetter,
    DeadLetterOptions,
    DeadLetterStore,
    LetterFilter,
    LetterStats,
    LetterSummary,
)

from .database import Database
from .letter_records import LetterRecord, letter, no_room, record, summary

_COLUMNS = ", ".join(LetterRecord._fields)
_LISTED = _COLUMNS.replace("content", "x''")
_MARK = "UPDATE letters SET replayed_at_s = ?, is_requested = 0"


class SqliteDeadLetters(DeadLetterStore):
    """Keeps dead letters in the database of the application's state."""

    def __init__(self, database: Database, limits: DeadLetterOptions) -> None:
        self._db, self._limits = database, limits

    @classmethod
    @asynccontextmanager
    async def attach(
        cls,
        path: str | Path,
        limits: DeadLetterOptions = DeadLetterOptions(),  # noqa: B008 - it is frozen
    ) -> AsyncIterator[SqliteDeadLetters]:
        """Use the letters of the store in a file, also while an application uses the store.

        Nothing but letters is touched, and no store is made. Where the application writes at
        the same moment, it waits for that.

        Raises:
            ConfigError: there is no store that can be used.
        """
        database = Database(Path(path), role="guest")
        await database.open()
        try:
            yield cls(database, limits)
        finally:
            await database.close()

    async def put(self, letters: Sequence[DeadLetter], /) -> Sequence[int]:
        records = [record(each) for each in letters]

        def write(connection: sqlite3.Connection) -> list[int]:
            check_room(connection, records, self._limits)
            return insert_letters(connection, records, self._limits)

        return await self._db.write(write)

    async def find(
        self,
        which: LetterFilter = ALL_LETTERS,
        /,
        *,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[LetterSummary]:
        where, values = _where(which)
        if after is not None:
            where, values = f"{where} AND id {'<' if newest_first else '>'} ?", [*values, after]
        query = (
            f"SELECT id, {_LISTED} FROM letters WHERE {where}"  # noqa: S608
            f" ORDER BY id {'DESC' if newest_first else 'ASC'} LIMIT ?"
        )

        def read(connection: sqlite3.Connection) -> list[LetterSummary]:
            rows = connection.execute(query, [*values, limit])
            return [summary(row[0], LetterRecord(*row[1:])) for row in rows]

        return await self._db.read(read)

    async def read(self, ids: Collection[int], /) -> Sequence[DeadLetter]:
        where, values = _where(LetterFilter(ids=ids))
        query = f"{where} ORDER BY id"
        return await self._db.read(lambda connection: _read(connection, query, values))

    async def remove(self, which: LetterFilter, /) -> int:
        where, values = _where(which)

        def write(connection: sqlite3.Connection) -> int:
            query = f"SELECT count(*), total(size_bytes) FROM letters WHERE {where}"  # noqa: S608
            count, size_bytes = connection.execute(query, values).fetchone()
            connection.execute(f"DELETE FROM letters WHERE {where}", values)  # noqa: S608
            _add_totals(connection, -count, -int(size_bytes))
            return int(count)

        return await self._db.write(write)

    async def mark_replayed(self, which: LetterFilter, /, *, at_s: float) -> int:
        where, values = _where(which)
        query = f"{_MARK} WHERE {where}"
        return await self._db.write(
            lambda connection: connection.execute(query, [at_s, *values]).rowcount
        )

    async def request_replay(self, which: LetterFilter, /) -> int:
        where, values = _where(which)
        query = f"UPDATE letters SET is_requested = 1 WHERE NOT is_repr AND {where}"  # noqa: S608
        return await self._db.write(lambda connection: connection.execute(query, values).rowcount)

    async def requested(self, limit: int = 100, /, *, after: int = 0) -> Sequence[DeadLetter]:
        where = "is_requested AND id > ? ORDER BY id LIMIT ?"
        return await self._db.read(lambda connection: _read(connection, where, [after, limit]))

    async def count(self, which: LetterFilter = ALL_LETTERS, /) -> int:
        where, values = _where(which)
        query = f"SELECT count(*) FROM letters WHERE {where}"  # noqa: S608
        return await self._db.read(lambda c: int(c.execute(query, values).fetchone()[0]))

    async def stats(self) -> LetterStats:
        return await self._db.read(_totals)


def check_room(
    connection: sqlite3.Connection, records: Sequence[LetterRecord], limits: DeadLetterOptions
) -> None:
    """Raise ExhaustedError if there is no room for letters, and none may be made."""
    if not records or limits.when_full != "refuse":
        return
    totals = _totals(connection)
    count = totals.letters + len(records)
    size_bytes = totals.size_bytes + sum(each.size_bytes for each in records)
    if count > limits.max_events or size_bytes > limits.max_bytes:
        raise no_room(limits, count, size_bytes)


def insert_letters(
    connection: sqlite3.Connection, records: Sequence[LetterRecord], limits: DeadLetterOptions
) -> list[int]:
    """Store letters in the caller's transaction; return their ids.

    Where the oldest may be dropped, there is room afterwards.
    """
    if not records:
        return []
    query = f"INSERT INTO letters ({_COLUMNS}) VALUES ({', '.join('?' * len(records[0]))})"  # noqa: S608
    ids = [connection.execute(query, each).lastrowid or 0 for each in records]
    _add_totals(connection, len(records), sum(each.size_bytes for each in records))
    if limits.when_full == "drop_oldest":
        _make_room(connection, limits)
    return ids


def mark_replayed(connection: sqlite3.Connection, ids: Sequence[int], at_s: float) -> None:
    """Note in the caller's transaction that letters were replayed; unknown ids are ignored."""
    connection.executemany(f"{_MARK} WHERE id = ?", [(at_s, each) for each in ids])


def _read(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[DeadLetter]:
    rows = connection.execute(f"SELECT id, {_COLUMNS} FROM letters WHERE {where}", values)  # noqa: S608
    return [letter(row[0], LetterRecord(*row[1:])) for row in rows]


def _make_room(connection: sqlite3.Connection, limits: DeadLetterOptions) -> None:
    """Drop as many letters as are too many; replayed ones first, then the oldest."""
    totals = _totals(connection)
    count = totals.letters - limits.max_events
    size_bytes = totals.size_bytes - limits.max_bytes
    if count <= 0 and size_bytes <= 0:
        return
    dropped: list[tuple[int]] = []
    freed_bytes = unseen = 0
    rows = connection.execute(
        "SELECT id, size_bytes, replayed_at_s IS NULL FROM letters"
        " ORDER BY replayed_at_s IS NULL, id"
    )
    for id_, size, is_unseen in rows:
        if len(dropped) >= count and freed_bytes >= size_bytes:
            break
        dropped.append((id_,))
        freed_bytes += size
        unseen += is_unseen
    rows.close()
    connection.executemany("DELETE FROM letters WHERE id = ?", dropped)
    _add_totals(connection, -len(dropped), -freed_bytes, dropped=unseen)


def _totals(connection: sqlite3.Connection) -> LetterStats:
    query = "SELECT count, size_bytes, dropped FROM letter_totals"
    return LetterStats(*connection.execute(query).fetchone())


def _add_totals(
    connection: sqlite3.Connection, count: int, size_bytes: int, dropped: int = 0
) -> None:
    connection.execute(
        "UPDATE letter_totals SET count = count + ?, size_bytes = size_bytes + ?,"
        " dropped = dropped + ?",
        (count, size_bytes, dropped),
    )


def _where(which: LetterFilter) -> tuple[str, list[Any]]:
    """Return a condition, and the values of its marks."""
    conditions: list[tuple[str, Any]] = [
        ("pipeline = ?", which.pipeline),
        ("part = ?", which.part),
        ("error_type = ?", which.error_type),
        ("instr(error_text, ?) > 0", which.text),
        ("at_s >= ?", which.since_s),
        ("at_s < ?", which.before_s),
        ("(replayed_at_s IS NOT NULL) = ?", which.is_replayed),
        ("is_requested = ?", which.is_requested),
        (
            "id IN (SELECT value FROM json_each(?))",
            None if which.ids is None else json.dumps(list(which.ids)),
        ),
    ]
    asked = [(condition, value) for condition, value in conditions if value is not None]
    return " AND ".join(["true", *(c for c, _ in asked)]), [value for _, value in asked]
