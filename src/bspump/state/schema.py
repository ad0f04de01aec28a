"""The tables of the SQLite store: how they are made, and how a file is recognised."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from bspump.abc.durable import sync_directory
from bspump.abc.errors import ConfigError

APPLICATION_ID = 0x42535054
VERSION = 2

TABLES = """
CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), lineage TEXT NOT NULL);
INSERT INTO store VALUES (1, lower(hex(randomblob(16))));
CREATE TABLE groups (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    at_s REAL NOT NULL,
    fingerprint TEXT NOT NULL
);
CREATE TABLE positions (
    group_id INTEGER NOT NULL,
    source TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0,
    partitions BLOB NOT NULL,
    PRIMARY KEY (group_id, source)
) WITHOUT ROWID;
CREATE TABLE tokens (
    group_id INTEGER NOT NULL,
    sink TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    token BLOB NOT NULL,
    PRIMARY KEY (group_id, sink, epoch)
) WITHOUT ROWID;
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY,
    group_name TEXT NOT NULL,
    source TEXT NOT NULL,
    partition_key BLOB NOT NULL,
    position BLOB NOT NULL,
    count INTEGER NOT NULL,
    UNIQUE (group_name, source, partition_key, position)
);

-- The state of a part: its value, and keyed state by `state_id`. What replaces all of it takes
-- a new `state_id`; what belongs to none is swept away in small steps.
CREATE TABLE parts (
    group_id INTEGER NOT NULL,
    address TEXT NOT NULL,
    state_id INTEGER NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (group_id, address)
) WITHOUT ROWID;
CREATE TABLE state_ids (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE keyed (
    state_id INTEGER NOT NULL,
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (state_id, key)
) WITHOUT ROWID;
CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    state_id INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    entries BLOB NOT NULL
);
CREATE INDEX changes_of_state ON changes (state_id, id, size_bytes);

-- Epochs that did not happen yet; their keyed state goes to `changes` when they do.
CREATE TABLE staged (
    group_name TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    content BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE staged_changes (
    id INTEGER PRIMARY KEY,
    group_name TEXT NOT NULL,
    address TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    entries BLOB NOT NULL
);
CREATE INDEX staged_changes_of_part ON staged_changes (group_name, address, id);

CREATE TABLE letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    replayed_at_s REAL,
    is_requested INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    pipeline TEXT NOT NULL,
    part TEXT NOT NULL,
    at_s REAL NOT NULL,
    attempts INTEGER NOT NULL,
    is_repr INTEGER NOT NULL,
    error_type TEXT NOT NULL,
    error_text TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE INDEX letters_by_use ON letters (replayed_at_s IS NULL, id);
CREATE INDEX letters_requested ON letters (id) WHERE is_requested;
CREATE INDEX letters_by_pipeline ON letters (pipeline);
CREATE TABLE letter_totals (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    count INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    dropped INTEGER NOT NULL
);
INSERT INTO letter_totals VALUES (1, 0, 0, 0);
"""


def create(path: Path) -> None:
    """Make the file with its tables where there is none; afterwards it is there, and whole.

    Raises:
        ConfigError: only a part of a store is there.
    """
    if path.exists():
        return
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists():
        raise ConfigError(
            f"{path}: the state store is gone, and {wal.name} is still there"
            f" [{ConfigError.Code}]\n"
            f"  what to do: put back what was moved or removed; or, to begin without all that"
            f" was stored, move {wal.name} away too"
        )
    # A file under its name is complete, so that an empty one is known to be damaged.
    unfinished = path.with_name(f"{path.name}.new")
    for rest in path.parent.glob(f"{unfinished.name}*"):
        rest.unlink()
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.executescript(f"BEGIN;{TABLES}COMMIT;")
    finally:
        connection.close()
    unfinished.rename(path)
    sync_directory(path.parent)


def lineage(connection: sqlite3.Connection) -> str:
    """Return the name that the store got when it was made."""
    return str(connection.execute("SELECT lineage FROM store").fetchone()[0])


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Look whether the file is a store, and of a version that this program knows.

    Raises:
        ConfigError: it is not.
        sqlite3.Error: it cannot be read.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise ConfigError(
            f"{path}: this is no state store of bspump, or what it held is gone"
            f" [{ConfigError.Code}]\n"
            f"  got: {path.stat().st_size} bytes with the application id {application:#x}\n"
            f"  what to do: name another file; or, if this was the store, restore it from a"
            f" backup, or move it away to begin without all that was stored"
        )
    if version != VERSION:
        raise ConfigError(
            f"{path}: the state store is of version {version} [{ConfigError.Code}]\n"
            f"  expected: version {VERSION}\n"
            f"  what to do: use the bspump that wrote it, or a newer one"
        )
    connection.execute("SELECT count(*) FROM groups").fetchone()
