"""Keyed state in SQLite: what changed is appended, and folded into sorted rows now and then.

An epoch changes keys that lie anywhere: to write each to its place would write most pages of a
large table for a few bytes on each. So a commit only appends its changes, as few large rows. Once
there are enough of them, `folding` puts them to their places. What is stored is always the rows,
changed by the changes in their order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

_CHUNK_BYTES = 512 * 1024

_encode = msgspec.msgpack.Encoder().encode
decode_chunk = msgspec.msgpack.Decoder(tuple[list[bytes], list[bytes]]).decode
"""Return the keys and the values of a row of changes; a value is empty where it was removed."""


def new_state_id(connection: sqlite3.Connection) -> int:
    """Return an id that no state ever had."""
    found = connection.execute("INSERT INTO state_ids DEFAULT VALUES").lastrowid
    connection.execute("DELETE FROM state_ids WHERE id < ?", (found,))
    return found or 0


def append(
    connection: sqlite3.Connection, state_id: int, keys: Sequence[bytes], values: Sequence[bytes]
) -> None:
    """Store changes, behind all that were stored before."""
    for data in chunks(keys, values):
        connection.execute(
            "INSERT INTO changes (state_id, size_bytes, entries) VALUES (?, ?, ?)",
            (state_id, len(data), data),
        )


def chunks(keys: Sequence[bytes], values: Sequence[bytes]) -> Iterator[bytes]:
    """Yield changes as the rows in which they are stored, each of about `_CHUNK_BYTES`."""
    size = sum(map(len, keys)) + sum(map(len, values))
    count = len(keys)
    if count and (count == 1 or size <= 2 * _CHUNK_BYTES):
        yield _encode((keys, values))
        return
    step = max(1, count * _CHUNK_BYTES // max(size, 1))
    for start in range(0, count, step):
        yield from chunks(keys[start : start + step], values[start : start + step])


def read(connection: sqlite3.Connection, state_id: int) -> dict[bytes, bytes]:
    """Return all keys and their values."""
    rows = "SELECT key, value FROM keyed WHERE state_id = ?"
    found: dict[bytes, bytes] = dict(connection.execute(rows, (state_id,)))
    changes = "SELECT entries FROM changes WHERE state_id = ? ORDER BY id"
    for (data,) in connection.execute(changes, (state_id,)):
        found.update(zip(*decode_chunk(data), strict=True))
    return {key: value for key, value in found.items() if value}
