"""Work on keyed state in SQLite between commits: changes are put to their places, waste goes.

All of it is done in small steps, so that a commit never waits for more than one. Python hands
large pieces to SQLite and does nothing key by key: while SQLite works, the loop goes on, and what
Python does in this thread it does instead of the loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from .keyed_log import decode_chunk

_FOLD_BYTES = 16 * 1024 * 1024
_FOLD_CHUNKS = 1000
_STEP_BYTES = 512 * 1024
_STEP_KEYS = 4096
_SWEPT_ROWS = 10_000

_GATHERED = """
CREATE TEMP TABLE IF NOT EXISTS gathered (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID
"""


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
            self._fold = _Fold(connection, state_id, max(1, 2 * self._fold_bytes))
        if self._fold.step(connection, self._step_keys):
            self._fold = None
        return True


class _Fold:
    """Puts the oldest changes of one state to their places; newer ones may come meanwhile.

    First they are gathered in a table in memory, where a later change of a key replaces an
    earlier one. Then they are written in the order of the keys, so that each page of the large
    table is written once. A fold that is interrupted is simply done again.
    """

    def __init__(self, connection: sqlite3.Connection, state_id: int, longest_bytes: int) -> None:
        self._state_id, self._left_bytes = state_id, longest_bytes
        self._last_id = 0
        self._last_key = b""
        self._is_gathering = True
        connection.execute(_GATHERED)
        connection.execute("DELETE FROM gathered")

    def step(self, connection: sqlite3.Connection, count: int) -> bool:
        """Gather a piece, or put `count` keys to their places; return whether that was the end."""
        if _is_orphan(connection, self._state_id):
            return True
        if self._is_gathering:
            self._is_gathering = self._left_bytes > 0 and self._gather(connection)
            return False
        if self._put(connection, count):
            return False
        connection.execute(
            "DELETE FROM changes WHERE state_id = ? AND id <= ?", (self._state_id, self._last_id)
        )
        connection.execute("DELETE FROM gathered")
        return True

    def _gather(self, connection: sqlite3.Connection) -> bool:
        """Gather the next changes; return whether there were any."""
        query = (
            "SELECT id, entries FROM changes WHERE state_id = ? AND id > ? ORDER BY id LIMIT 100"
        )
        rows = connection.execute(query, (self._state_id, self._last_id))
        size = 0
        for self._last_id, data in rows:
            size += len(data)
            _gather_chunk(connection, data)
            if size >= _STEP_BYTES:
                break
        rows.close()
        self._left_bytes -= size
        return size > 0

    def _put(self, connection: sqlite3.Connection, count: int) -> bool:
        """Put the next keys to their places; return whether there were any."""
        (last,) = connection.execute(
            "SELECT max(key) FROM (SELECT key FROM gathered WHERE key > ? ORDER BY key LIMIT ?)",
            (self._last_key, count),
        ).fetchone()
        if last is None:
            return False
        span = self._state_id, self._last_key, last
        connection.execute(
            "INSERT INTO keyed SELECT ?, key, value FROM gathered"
            " WHERE key > ? AND key <= ? AND value <> x'' ORDER BY key"
            " ON CONFLICT DO UPDATE SET value = excluded.value",
            span,
        )
        connection.execute(
            "DELETE FROM keyed WHERE state_id = ? AND key IN"
            " (SELECT key FROM gathered WHERE key > ? AND key <= ? AND value = x'')",
            span,
        )
        self._last_key = last
        return True


def _gather_chunk(connection: sqlite3.Connection, data: bytes) -> None:
    # Many rows in one statement: between statements the thread has to wait for its turn, which
    # is long while the loop is busy.
    keys, values = decode_chunk(data)
    start = 0
    for count in _powers(len(keys)):
        rows = ", ".join(f"(?{n}, ?{n + count})" for n in range(1, count + 1))
        connection.execute(
            f"REPLACE INTO gathered VALUES {rows}",  # noqa: S608
            [*keys[start : start + count], *values[start : start + count]],
        )
        start += count


def _powers(count: int) -> Iterator[int]:
    """Cut `count` into powers of two, so that there are few different statements."""
    while count:
        power = 1 << min(count.bit_length() - 1, 12)
        yield power
        count -= power


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
