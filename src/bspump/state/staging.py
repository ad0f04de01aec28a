"""Epochs that are stored apart, in SQLite; each function within a transaction of the caller.

The keyed state of an epoch, its bulk, lies in rows of its own that SQLite copies to their place
when the epoch is promoted, without their passing through Python again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from bspump.abc.errors import ConfigError
from bspump.abc.state import Staged

from . import keyed_log
from .epochs import EncodedEpoch, already_staged, not_staged

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(EncodedEpoch).decode


def check_nothing(connection: sqlite3.Connection, group: str) -> None:
    """Raise ValueError if an epoch of the group is staged."""
    number = _number(connection, group)
    if number is not None:
        raise already_staged(group, number)


def put(connection: sqlite3.Connection, epoch: EncodedEpoch) -> None:
    """Store an epoch apart; what is to be checked has been."""
    for address, state in epoch.states.items():
        for data in keyed_log.chunks(state.keys, state.values):
            connection.execute(
                "INSERT INTO staged_changes (group_name, address, size_bytes, entries)"
                " VALUES (?, ?, ?, ?)",
                (epoch.group, address, len(data), data),
            )
    states = {a: state._replace(keys=(), values=()) for a, state in epoch.states.items()}
    _write(connection, epoch._replace(states=states))


def groups(connection: sqlite3.Connection) -> list[str]:
    """Return the names of groups that have something staged."""
    return [name for (name,) in connection.execute("SELECT group_name FROM staged")]


def staged(connection: sqlite3.Connection, group: str) -> Staged | None:
    """Return what is staged of a group."""
    found = _find(connection, group)
    return None if found is None else found.staged()


def take(connection: sqlite3.Connection, group: str, number: int) -> EncodedEpoch:
    """Return the staged epoch, its keyed state left out, see `move_changes`.

    Raises:
        ValueError: it is not the one that is staged.
    """
    found = _find(connection, group)
    if found is None or found.number != number:
        raise not_staged(group, number, None if found is None else found.number)
    return found


def move_changes(connection: sqlite3.Connection, group: str, address: str, state_id: int) -> None:
    """Let the keyed state of a part in the staged epoch be the last changes of `state_id`."""
    connection.execute(
        "INSERT INTO changes (state_id, size_bytes, entries)"
        " SELECT ?, size_bytes, entries FROM staged_changes"
        " WHERE group_name = ? AND address = ? ORDER BY id",
        (state_id, group, address),
    )


def forget(connection: sqlite3.Connection, group: str) -> None:
    """Forget what is staged of a group."""
    connection.execute("DELETE FROM staged WHERE group_name = ?", (group,))
    connection.execute("DELETE FROM staged_changes WHERE group_name = ?", (group,))


def has(connection: sqlite3.Connection, group: str, address: str) -> bool:
    """Tell whether something of an address is staged."""
    found = staged(connection, group)
    return found is not None and address in found.addresses


def check_settled(connection: sqlite3.Connection, groups: Sequence[str]) -> None:
    """Raise ConfigError if something is staged of one of several groups."""
    for group in groups:
        number = _number(connection, group)
        if number is not None:
            raise unsettled(group, number)


def unsettled(group: str, number: int) -> ConfigError:
    """Return the error that says that a group cannot be changed yet."""
    return ConfigError(
        f"group {group!r}: it is not known yet whether epoch {number} happened"
        f" [{ConfigError.Code}]\n"
        f"  what to do: start the program once with its pipelines connected as before, so that"
        f" the sinks are asked; or drop what is stored of these sinks"
    )


def move(connection: sqlite3.Connection, group: str, address: str, to_address: str) -> None:
    """Let what is staged under one address be staged under another."""
    found = _find(connection, group)
    if found is None:
        return
    _write(connection, found.moved(address, to_address))
    connection.execute(
        "UPDATE staged_changes SET address = ? WHERE group_name = ? AND address = ?",
        (to_address, group, address),
    )


def drop(connection: sqlite3.Connection, group: str, address: str) -> None:
    """Forget what is staged under an address."""
    found = _find(connection, group)
    if found is None:
        return
    left = found.without(address)
    if left is None:
        forget(connection, group)
        return
    _write(connection, left)
    connection.execute(
        "DELETE FROM staged_changes WHERE group_name = ? AND address = ?", (group, address)
    )


def _find(connection: sqlite3.Connection, group: str) -> EncodedEpoch | None:
    query = "SELECT content FROM staged WHERE group_name = ?"
    found = connection.execute(query, (group,)).fetchone()
    return None if found is None else _decode(found[0])


def _number(connection: sqlite3.Connection, group: str) -> int | None:
    query = "SELECT number FROM staged WHERE group_name = ?"
    found = connection.execute(query, (group,)).fetchone()
    return None if found is None else found[0]


def _write(connection: sqlite3.Connection, epoch: EncodedEpoch) -> None:
    connection.execute(
        "REPLACE INTO staged VALUES (?, ?, ?)", (epoch.group, epoch.number, _encode(epoch))
    )
