"""The messages of `pgoutput`, version 1: what a logical replication slot sends. Pure.

https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from bspump.abc.errors import ProcessingError


class Unchanged(enum.Enum):
    """Stands for a value that was stored apart (TOAST) and that the update did not touch."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED

Values = list[bytes | Unchanged | None]
"""The values of a row in the order of its columns, as text; `None` is NULL."""


class Begin(NamedTuple):
    """A transaction begins: where its commit is in the log, when that was, and its number."""

    commit_lsn: int
    committed_us: int
    xid: int


class Commit(NamedTuple):
    """A transaction ends; `end_lsn` is where the log goes on after it."""

    commit_lsn: int
    end_lsn: int
    committed_us: int


class Column(NamedTuple):
    """A column of a published table."""

    name: str
    type_oid: int
    is_key: bool


class Relation(NamedTuple):
    """A published table; sent before its first change and whenever it has changed."""

    oid: int
    schema: str
    table: str
    identity: str
    columns: tuple[Column, ...]


class Insert(NamedTuple):
    """A row was inserted."""

    relation_oid: int
    new: Values


class Update(NamedTuple):
    """A row was changed. `old` has the old key, or with `is_full` the whole old row."""

    relation_oid: int
    old: Values | None
    is_full: bool
    new: Values


class Delete(NamedTuple):
    """A row was deleted. `old` has its key, or with `is_full` all of it."""

    relation_oid: int
    old: Values
    is_full: bool


class Truncate(NamedTuple):
    """Tables were emptied."""

    relation_oids: tuple[int, ...]
    is_cascade: bool
    restarts_identity: bool


Message = Begin | Commit | Relation | Insert | Update | Delete | Truncate

# PostgreSQL counts from 2000-01-01.
_EPOCH_US: Final = 946_684_800_000_000

_BEGIN: Final = struct.Struct(">xQqI")
_COMMIT: Final = struct.Struct(">xxQQq")
_TRUNCATE: Final = struct.Struct(">xIB")
_COLUMN: Final = struct.Struct(">Ii")
_UINT32: Final = struct.Struct(">I")
_UINT16: Final = struct.Struct(">H")

_FULL, _OLD_KEY, _NEW = ord("O"), ord("K"), ord("N")
_TEXT, _NULL, _TOASTED = ord("t"), ord("n"), ord("u")


def decode(message: bytes) -> Message | None:
    """Return what a message says, `None` where it says nothing about rows (origin, type).

    Raises:
        ProcessingError: it is not a message of this protocol.
    """
    try:
        return _DECODERS[message[:1]](message)
    except (KeyError, IndexError, struct.error, ValueError) as error:
        raise ProcessingError(
            f"expected a message of pgoutput, got {message[:40]!r}, {len(message)} bytes"
        ) from error


def _begin(message: bytes) -> Begin:
    commit_lsn, committed_us, xid = _BEGIN.unpack_from(message)
    return Begin(commit_lsn, committed_us + _EPOCH_US, xid)


def _commit(message: bytes) -> Commit:
    commit_lsn, end_lsn, committed_us = _COMMIT.unpack_from(message)
    return Commit(commit_lsn, end_lsn, committed_us + _EPOCH_US)


def _relation(message: bytes) -> Relation:
    (oid,) = _UINT32.unpack_from(message, 1)
    schema, at = _string(message, 5)
    table, at = _string(message, at)
    identity = chr(message[at])
    (count,) = _UINT16.unpack_from(message, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        is_key = bool(message[at] & 1)
        name, at = _string(message, at + 1)
        type_oid, _type_modifier = _COLUMN.unpack_from(message, at)
        at += 8
        columns.append(Column(name, type_oid, is_key))
    # An empty name is how the protocol writes `pg_catalog`.
    return Relation(oid, schema or "pg_catalog", table, identity, tuple(columns))


def _insert(message: bytes) -> Insert:
    (oid,) = _UINT32.unpack_from(message, 1)
    _check(message, 5, _NEW)
    new, _ = _values(message, 6)
    return Insert(oid, new)


def _update(message: bytes) -> Update:
    (oid,) = _UINT32.unpack_from(message, 1)
    old, at, kind = None, 5, message[5]
    if kind in (_OLD_KEY, _FULL):
        old, at = _values(message, 6)
    _check(message, at, _NEW)
    new, _ = _values(message, at + 1)
    return Update(oid, old, kind == _FULL, new)


def _delete(message: bytes) -> Delete:
    (oid,) = _UINT32.unpack_from(message, 1)
    kind = message[5]
    if kind != _FULL:
        _check(message, 5, _OLD_KEY)
    old, _ = _values(message, 6)
    return Delete(oid, old, kind == _FULL)


def _truncate(message: bytes) -> Truncate:
    count, flags = _TRUNCATE.unpack_from(message)
    oids = struct.unpack_from(f">{count}I", message, _TRUNCATE.size)
    return Truncate(oids, bool(flags & 1), bool(flags & 2))


def _nothing(_message: bytes) -> None:
    """Ignore: where a transaction came from, how a type is called, what a program has noted."""


_DECODERS: Final[dict[bytes, Callable[[bytes], Message | None]]] = {
    b"B": _begin,
    b"C": _commit,
    b"R": _relation,
    b"I": _insert,
    b"U": _update,
    b"D": _delete,
    b"T": _truncate,
    b"O": _nothing,
    b"Y": _nothing,
    b"M": _nothing,
}


def _check(message: bytes, at: int, expected: int) -> None:
    if message[at] != expected:
        raise ValueError(f"expected {chr(expected)!r} at {at}")


def _string(message: bytes, at: int) -> tuple[str, int]:
    """Return the text that begins at `at` and ends with a zero, and where it goes on."""
    end = message.index(b"\x00", at)
    return message[at:end].decode(), end + 1


def _values(message: bytes, at: int) -> tuple[Values, int]:
    """Return the values of the row that begins at `at`, and where it goes on."""
    (count,) = _UINT16.unpack_from(message, at)
    at += 2
    values: Values = []
    for _ in range(count):
        kind = message[at]
        at += 1
        if kind == _TEXT:
            start = at + 4
            at = start + int.from_bytes(message[at:start])
            if at > len(message):
                raise ValueError("a value is cut off")
            values.append(message[start:at])
        elif kind == _NULL:
            values.append(None)
        elif kind == _TOASTED:
            values.append(UNCHANGED)
        else:
            raise ValueError(f"a value of kind {kind!r}")
    return values, at
