"""Keyed state in SQLite: what changed is appended, and folded into sorted rows now and then.

An epoch changes keys that lie anywhere: to write each to its place would write most pages of a
large table for a few bytes on each. So a commit only appends its changes, as few large rows. Once
there are enough of them they are put to their places in the order of the keys, in small steps,
so that a commit never waits for more than one step. What is stored is always the rows, changed by
the changes in their order; a fold that is interrupted is simply done again.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

_CHUNK_BYTES = 512 * 1024
_FOLD_BYTES = 16 * 1024 * 1024
_FOLD_CHUNKS = 1000
_PIECE_CHUNKS = 100
_STEP_KEYS = 4096
_SWEPT_ROWS = 10_000

Entry = tuple[bytes, bytes | None]
"""A key and its value; `None` where it was removed."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[bytes, bytes | None]]).decode


def new_state_id(connection: sqlite3.Connection) -> int:
    """Return an id that no state ever had."""
    found = connection.execute("INSERT INTO state_ids DEFAULT VALUES").lastrowid
    connection.execute("DELETE FROM state_ids WHERE id < ?", (found,))
    return found or 0


def append(connection: sqlite3.Connection, state_id: int, entries: Sequence[Entry]) -> None:
    """Store changes, behind all that were stored before."""
    for chunk in _chunks(entries):
        data = _encode(chunk)
        connection.execute(
            "INSERT INTO changes (state_id, size_bytes, entries) VALUES (?, ?, ?)",
            (state_id, len(data), data),
        )


def read(connection: sqlite3.Connection, state_id: int) -> dict[bytes, bytes]:
    """Return all keys and their values."""
    rows = "SELECT key, value FROM keyed WHERE state_id = ?"
    found: dict[bytes, bytes] = dict(connection.execute(rows, (state_id,)))
    changes = "SELECT entries FROM changes WHERE state_id = ? ORDER BY id"
    for (data,) in connection.execute(changes, (state_id,)):
        for key, value in _decode(data):
            if value is None:
                found.pop(key, None)
            else:
                found[key] = value
    return found


class Maintenance:
    """Folds changes into rows and sweeps away what belongs to no part, step by step.

    Args:
        fold_bytes: changes of a state are folded when they are larger than this.
        step_keys: keys that are put to their places in one step.
    """

    def __init__(self, fold_bytes: int = _FOLD_BYTES, step_keys: int = _STEP_KEYS) -> None:
        self._fold_bytes, self._step_keys = fold_bytes, step_keys
        self._fold: _Fold | None = None
        self._has_swept = False

    def orphans_arose(self) -> None:
        """Take note that there is something that belongs to no part."""
        self._has_swept = False

    def abandon(self) -> None:
        """Begin again: the transaction of a step was rolled back."""
        self._fold, self._has_swept = None, False

    def step(self, connection: sqlite3.Connection) -> bool:
        """Do a small piece of work in a transaction of its own; False when there is none."""
        if not self._has_swept:
            self._has_swept = not _sweep(connection)
            return True
        if self._fold is None:
            state_id = _longest_backlog(connection, self._fold_bytes)
            if state_id is None:
                return False
            self._fold = _Fold(state_id, max(1, 2 * self._fold_bytes))
        if self._fold.step(connection, self._step_keys):
            self._fold = None
        return True


class _Fold:
    """Puts the oldest changes of one state to their places; newer ones may come meanwhile.

    First it reads them, then it writes them, both piece by piece: neither the thread nor, by the
    lock that threads share, the loop is held up for long.
    """

    def __init__(self, state_id: int, longest_bytes: int) -> None:
        self._state_id, self._left_bytes = state_id, longest_bytes
        self._last_id = 0
        self._pieces: list[list[tuple[bytes, int, bytes | None]]] = []
        self._newest: Iterator[Entry] | None = None

    def step(self, connection: sqlite3.Connection, count: int) -> bool:
        """Read a piece, or put `count` keys to their places; return whether that was the end."""
        if _is_orphan(connection, self._state_id):
            return True
        if self._newest is None:
            if self._left_bytes <= 0 or not self._gather(connection):
                self._newest = _newest(self._pieces)
            return False
        part = list(islice(self._newest, count))
        _upsert(connection, self._state_id, [(k, v) for k, v in part if v is not None])
        _delete(connection, self._state_id, [k for k, v in part if v is None])
        if len(part) == count:
            return False
        connection.execute(
            "DELETE FROM changes WHERE state_id = ? AND id <= ?", (self._state_id, self._last_id)
        )
        return True

    def _gather(self, connection: sqlite3.Connection) -> bool:
        """Read the next changes and sort them; return whether there were any."""
        query = "SELECT id, entries FROM changes WHERE state_id = ? AND id > ? ORDER BY id LIMIT ?"
        values = self._state_id, self._last_id, _PIECE_CHUNKS
        found: dict[bytes, bytes | None] = {}
        size = 0
        rows = connection.execute(query, values)
        for self._last_id, data in rows:
            found.update(_decode(data))
            size += len(data)
            if size >= _CHUNK_BYTES:
                break
        rows.close()
        self._left_bytes -= size
        # Of equal keys the one that was read last comes first.
        rank = -len(self._pieces)
        self._pieces.append(sorted((key, rank, value) for key, value in found.items()))
        return size > 0


def _newest(pieces: Sequence[Sequence[tuple[bytes, int, bytes | None]]]) -> Iterator[Entry]:
    """Yield the last change of each key, in the order of the keys."""
    last: bytes | None = None
    for key, _, value in heapq.merge(*pieces):
        if key != last:
            yield key, value
            last = key


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Cut entries so that a row is about `_CHUNK_BYTES` long, or holds a single longer one."""
    start = size = 0
    for i, (key, value) in enumerate(entries):
        size += len(key) + len(value or b"") + 8
        if size >= _CHUNK_BYTES:
            yield entries[start : i + 1]
            start, size = i + 1, 0
    if start < len(entries):
        yield entries[start:]


def _longest_backlog(connection: sqlite3.Connection, fold_bytes: int) -> int | None:
    found = connection.execute(
        "SELECT state_id, sum(size_bytes) AS size, count(*) AS chunks FROM changes"
        " GROUP BY state_id HAVING size > ? OR chunks > ? ORDER BY size DESC LIMIT 1",
        (fold_bytes, _FOLD_CHUNKS),
    ).fetchone()
    return found[0] if found else None


def _is_orphan(connection: sqlite3.Connection, state_id: int) -> bool:
    query = "SELECT 1 FROM parts WHERE state_id = ?"
    return connection.execute(query, (state_id,)).fetchone() is None


def _powers(count: int) -> Iterator[int]:
    """Cut `count` into powers of two, so that there are few different statements."""
    while count:
        power = 1 << min(count.bit_length() - 1, 12)
        yield power
        count -= power


def _upsert(
    connection: sqlite3.Connection, state_id: int, rows: Sequence[tuple[bytes, bytes]]
) -> None:
    # Many rows in one statement: between statements the thread has to wait for its turn, which
    # is long while the loop is busy.
    start = 0
    for count in _powers(len(rows)):
        values = [each for row in rows[start : start + count] for each in row]
        start += count
        connection.execute(
            f"INSERT INTO keyed VALUES {_marks(count, '(?1, ?, ?)')}"  # noqa: S608
            " ON CONFLICT DO UPDATE SET value = excluded.value",
            [state_id, *values],
        )


def _delete(connection: sqlite3.Connection, state_id: int, keys: Sequence[bytes]) -> None:
    start = 0
    for count in _powers(len(keys)):
        connection.execute(
            f"DELETE FROM keyed WHERE state_id = ? AND key IN ({_marks(count, '?')})",  # noqa: S608
            [state_id, *keys[start : start + count]],
        )
        start += count


def _marks(count: int, mark: str) -> str:
    return ", ".join([mark] * count)


def _sweep(connection: sqlite3.Connection) -> bool:
    """Delete some of what belongs to no part; return whether there may be more."""
    for table, key in (("keyed", "key"), ("changes", "id")):
        found = connection.execute(_next_orphan(table)).fetchone()
        if found is not None:
            connection.execute(
                f"DELETE FROM {table} WHERE state_id = ? AND {key} IN"  # noqa: S608
                f" (SELECT {key} FROM {table} WHERE state_id = ? LIMIT ?)",
                (found[0], found[0], _SWEPT_ROWS if table == "keyed" else 100),
            )
            return True
    return False


def _next_orphan(table: str) -> str:
    """Return a query that jumps from one state to the next, however many rows each has."""
    return (
        f"WITH RECURSIVE found (it) AS (SELECT min(state_id) FROM {table} UNION ALL"  # noqa: S608
        f" SELECT (SELECT min(state_id) FROM {table} WHERE state_id > found.it) FROM found"
        f" WHERE found.it IS NOT NULL)"
        f" SELECT it FROM found WHERE it IS NOT NULL"
        f" AND it NOT IN (SELECT state_id FROM parts) LIMIT 1"
    )
