"""A look at what is stored of the parts of a program, also while it runs. Nothing is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bspump.abc.keyed import KIND

from . import keyed_log
from .database import Database
from .plain import decode, encode_key
from .rocksdb_files import RocksdbFiles

ROCKSDB_DIRECTORY = "keyed"
_PAGE = 1000


class StoredPart(NamedTuple):
    """What is stored of one part.

    Args:
        group: of connected pipelines.
        address: of the part.
        epoch: number of the last checkpoint of the group.
        at_s: when it was taken, Unix seconds.
        version: of the form of the state.
        value: what is not kept by key.
        keys: how many there are.
        size_bytes: of all of it.
    """

    group: str
    address: str
    epoch: int
    at_s: float
    version: int
    value: Any
    keys: int
    size_bytes: int

    @property
    def is_keyed(self) -> bool:
        """Whether it is the state of a `KeyedProcessor`."""
        return isinstance(self.value, dict) and self.value.get("kind") == KIND

    @property
    def watermark_ms(self) -> int | None:
        """How far time has come for it, as far as it has to do with time."""
        found = self.value.get("watermark_ms") if isinstance(self.value, dict) else None
        return found if isinstance(found, int) else None


class StateInspection:
    """Looks into the directory of an application's state.

    What it says of one part belongs to one checkpoint; what is in RocksDB may be a little newer
    while the program runs.

    Args:
        var_dir: the directory.
        name: of the store of checkpoints in it.
    """

    def __init__(self, var_dir: Path, name: str) -> None:
        self._var_dir = var_dir
        self._db = Database(var_dir / name, role="reader")

    async def open(self) -> None:
        """Open the store. Raises ConfigError where that is not possible."""
        await self._db.open()

    async def close(self) -> None:
        """Close it."""
        await self._db.close()

    async def parts(self, address: str | None = None) -> Sequence[StoredPart]:
        """Return all parts that have stored something, or the one of that address."""

        def read(connection: sqlite3.Connection) -> list[StoredPart]:
            query = (
                "SELECT name, address, epoch, at_s, version, value, state_id FROM parts"
                " JOIN groups ON group_id = groups.id ORDER BY name, address"
            )
            return [
                self._part(connection, row)
                for row in connection.execute(query).fetchall()
                if address in (None, row[1])
            ]

        return await self._db.read(read)

    def _part(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> StoredPart:
        group, address, epoch, at_s, version, value, state_id = row
        keys, size_bytes = _size(connection, state_id)
        size_bytes += len(value)
        found = StoredPart(group, address, epoch, at_s, version, decode(value), keys, size_bytes)
        directory = self._rocksdb(found)
        if directory is None:
            return found
        files = directory.glob("*") if directory.is_dir() else ()
        size_bytes = found.size_bytes + sum(file.stat().st_size for file in files)
        return found._replace(keys=found.value["note"]["count"], size_bytes=size_bytes)

    def _rocksdb(self, part: StoredPart) -> Path | None:
        note = part.value.get("note") if part.is_keyed else None
        return None if note is None else self._var_dir / ROCKSDB_DIRECTORY / note["directory"]

    async def items(self, part: StoredPart) -> Sequence[tuple[Any, Any]]:
        """Return all keys of a part and what is stored of them."""

        def read(connection: sqlite3.Connection) -> list[tuple[Any, Any]]:
            newer = keyed_log.read(connection, _state_id(connection, part))
            with _Files(self._rocksdb(part)) as files:
                older = ((key, value) for key, value in files.items() if key not in newer)
                found = [*older, *newer.items()]
            pairs = ((decode(key), decode(value)) for key, value in found)
            return [(key, value) for key, value in pairs if value is not None]

        return await self._db.read(read)

    async def get(self, part: StoredPart, key: Any) -> Any:
        """Return what is stored of one key of a part, `None` for nothing."""
        data = encode_key(key, of="key")

        def read(connection: sqlite3.Connection) -> Any:
            state_id = _state_id(connection, part)
            value = _changes(connection, state_id).get(data)
            if value is None:
                query = "SELECT value FROM keyed WHERE state_id = ? AND key = ?"
                row = connection.execute(query, (state_id, data)).fetchone()
                value = None if row is None else row[0]
            if value is None:
                with _Files(self._rocksdb(part)) as files:
                    value = files.get(data)
            return decode(value) if value else None

        return await self._db.read(read)


class _Files(RocksdbFiles):
    """Files that are open for the time of a `with` block; none, if there is no directory."""

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self._path = path

    def __enter__(self) -> RocksdbFiles:
        if self._path is not None and self._path.is_dir():
            self.open(self._path, is_read_only=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _state_id(connection: sqlite3.Connection, part: StoredPart) -> int:
    query = (
        "SELECT state_id FROM parts JOIN groups ON group_id = groups.id"
        " WHERE name = ? AND address = ?"
    )
    row = connection.execute(query, (part.group, part.address)).fetchone()
    return -1 if row is None else int(row[0])


def _changes(connection: sqlite3.Connection, state_id: int) -> dict[bytes, bytes]:
    """Return what is not at its place yet; a value is empty where the key is gone."""
    found: dict[bytes, bytes] = {}
    query = "SELECT entries FROM changes WHERE state_id = ? ORDER BY id"
    for (data,) in connection.execute(query, (state_id,)):
        found.update(zip(*keyed_log.decode_chunk(data), strict=True))
    return found


def _size(connection: sqlite3.Connection, state_id: int) -> tuple[int, int]:
    """Return how many keys a state has, and how many bytes."""
    query = (
        "SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM keyed"
        " WHERE state_id = ?"
    )
    count, size_bytes = connection.execute(query, (state_id,)).fetchone()
    changes = _changes(connection, state_id)
    placed = dict(_placed(connection, state_id, list(changes)))
    for key, value in changes.items():
        before = placed.get(key)
        if before is not None:
            count, size_bytes = count - 1, size_bytes - len(key) - before
        if value:
            count, size_bytes = count + 1, size_bytes + len(key) + len(value)
    return count, size_bytes


def _placed(
    connection: sqlite3.Connection, state_id: int, keys: Sequence[bytes]
) -> Iterator[tuple[bytes, int]]:
    """Yield those of `keys` that are at their places, and the sizes of their values."""
    for start in range(0, len(keys), _PAGE):
        page = keys[start : start + _PAGE]
        marks = ", ".join("?" * len(page))
        yield from connection.execute(
            f"SELECT key, length(value) FROM keyed WHERE state_id = ? AND key IN ({marks})",  # noqa: S608
            [state_id, *page],
        )
