"""What the SQLite store does to its tables; each function within a transaction of the caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from bspump.abc.errors import ConfigError
from bspump.abc.state import Attempt, Checkpoint, FrozenState, PreparedToken

from . import keyed_log, staging
from .epochs import EncodedEpoch, check_number
from .plain import decode, encode

KEPT_ATTEMPTS = 1000
"""Positions of a source whose attempts are remembered."""

_ADDRESSED = (("parts", "address"), ("positions", "source"), ("tokens", "sink"))


def nothing_stored(group: str, address: str) -> ConfigError:
    """Return the error that says that there is nothing under an address."""
    return ConfigError(
        f"state of {address!r}: nothing is stored under this address [{ConfigError.Code}]\n"
        f"  used by: group {group!r}\n"
        f"  what to do: list what is stored, and name one of these addresses"
    )


def already_stored(group: str, address: str) -> ConfigError:
    """Return the error that says that an address is taken."""
    return ConfigError(
        f"state of {address!r}: something is stored under this address already"
        f" [{ConfigError.Code}]\n"
        f"  used by: group {group!r}\n"
        f"  what to do: drop it first, if it is not needed"
    )


def check_epoch(connection: sqlite3.Connection, epoch: EncodedEpoch) -> None:
    """Raise ValueError if an epoch may not be the next one."""
    found = _find(connection, epoch.group)
    check_number(epoch, found[1] if found else 0)
    staging.check_nothing(connection, epoch.group)


def write_epoch(connection: sqlite3.Connection, epoch: EncodedEpoch) -> dict[str, int]:
    """Write all of an epoch but keyed state and dead letters.

    Returns:
        By address, the id of the state to which changes are to be appended.
    """
    group_id = _set_epoch(connection, epoch.group, epoch.number, epoch.at_s, epoch.fingerprint)
    for source, partitions in epoch.positions.items():
        _forget_attempts(connection, epoch.group, source, partitions)
        connection.execute(
            "INSERT INTO positions (group_id, source, epoch, partitions) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET epoch = excluded.epoch, partitions = excluded.partitions",
            (group_id, source, epoch.number, partitions),
        )
    for sink, token in epoch.tokens.items():
        connection.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?)", (group_id, sink, epoch.number, token)
        )
    return {
        address: _write_state(connection, group_id, address, state)
        for address, state in epoch.states.items()
    }


def mark(
    connection: sqlite3.Connection,
    group: str,
    epoch: int,
    committed: Collection[str],
    acknowledged: Collection[str],
) -> None:
    """Forget the tokens of `committed` and note the epoch of `acknowledged`."""
    found = _find(connection, group)
    if found is None:
        return
    connection.executemany(
        "DELETE FROM tokens WHERE group_id = ? AND sink = ? AND epoch <= ?",
        [(found[0], sink, epoch) for sink in committed],
    )
    connection.executemany(
        "UPDATE positions SET acknowledged = max(acknowledged, ?)"
        " WHERE group_id = ? AND source = ?",
        [(epoch, found[0], source) for source in acknowledged],
    )


def groups(connection: sqlite3.Connection) -> list[str]:
    """Return the names of all groups."""
    names = {name for (name,) in connection.execute("SELECT name FROM groups")}
    return sorted(names.union(staging.groups(connection)))


def load(connection: sqlite3.Connection, group: str) -> Checkpoint | None:
    """Return the last epoch of a group."""
    found = _find(connection, group)
    if found is None:
        return None
    group_id, epoch, at_s, fingerprint = found
    positions = connection.execute(
        "SELECT source, partitions, epoch > acknowledged FROM positions WHERE group_id = ?",
        (group_id,),
    ).fetchall()
    tokens = connection.execute(
        "SELECT sink, epoch, token FROM tokens WHERE group_id = ? ORDER BY epoch, sink",
        (group_id,),
    )
    versions = connection.execute(
        "SELECT address, version FROM parts WHERE group_id = ?", (group_id,)
    )
    return Checkpoint(
        group=group,
        epoch=epoch,
        at_s=at_s,
        fingerprint=fingerprint,
        positions={source: decode(partitions) for source, partitions, _ in positions},
        versions=dict(versions),
        pending=[PreparedToken(sink, of, decode(token)) for sink, of, token in tokens],
        unacknowledged=frozenset(source for source, _, is_open in positions if is_open),
    )


def load_state(
    connection: sqlite3.Connection, group: str, address: str
) -> tuple[int, bytes, dict[bytes, bytes]] | None:
    """Return version, value and keyed state of a part."""
    found = connection.execute(
        "SELECT version, value, state_id FROM parts"
        " WHERE group_id = (SELECT id FROM groups WHERE name = ?) AND address = ?",
        (group, address),
    ).fetchone()
    if found is None:
        return None
    version, value, state_id = found
    return version, value, keyed_log.read(connection, state_id)


def move(
    connection: sqlite3.Connection, group: str, address: str, to_group: str, to_address: str
) -> None:
    """Let what is stored under one address be stored under another."""
    source, target = _find(connection, group), _find(connection, to_group)
    if not _is_stored(connection, group, source[0] if source else None, address):
        raise nothing_stored(group, address)
    if _is_stored(connection, to_group, target[0] if target else None, to_address):
        raise already_stored(to_group, to_address)
    if group != to_group:
        staging.check_settled(connection, (group, to_group))
    staging.move(connection, group, address, to_address)
    connection.execute(
        "UPDATE attempts SET group_name = ?, source = ? WHERE group_name = ? AND source = ?",
        (to_group, to_address, group, address),
    )
    if source is None:
        return
    newest = source if target is None or source[1] > target[1] else target
    to_id = _set_epoch(connection, to_group, *newest[1:])
    for table, column in _ADDRESSED:
        connection.execute(
            f"UPDATE {table} SET group_id = ?, {column} = ? WHERE group_id = ? AND {column} = ?",  # noqa: S608
            (to_id, to_address, source[0], address),
        )


def drop(connection: sqlite3.Connection, group: str, address: str) -> None:
    """Forget what is stored under an address."""
    found = _find(connection, group)
    group_id = None if found is None else found[0]
    if not _is_stored(connection, group, group_id, address):
        raise nothing_stored(group, address)
    for table, column in _ADDRESSED:
        connection.execute(
            f"DELETE FROM {table} WHERE group_id = ? AND {column} = ?",  # noqa: S608
            (group_id, address),
        )
    connection.execute("DELETE FROM attempts WHERE group_name = ? AND source = ?", (group, address))
    staging.drop(connection, group, address)


def drop_group(connection: sqlite3.Connection, group: str) -> None:
    """Forget what is stored of a group."""
    found = _find(connection, group)
    for table, _ in _ADDRESSED:
        connection.execute(
            f"DELETE FROM {table} WHERE group_id = ?",  # noqa: S608
            (found[0] if found else None,),
        )
    connection.execute("DELETE FROM attempts WHERE group_name = ?", (group,))
    connection.execute("DELETE FROM groups WHERE name = ?", (group,))
    staging.forget(connection, group)


def count_attempt(connection: sqlite3.Connection, where: tuple[str, str, bytes, bytes]) -> int:
    """Count an attempt at (group, source, partition, position); return how many there were."""
    found = connection.execute(
        "SELECT count FROM attempts"
        " WHERE group_name = ? AND source = ? AND partition_key = ? AND position = ?",
        where,
    ).fetchone()
    count = 1 if found is None else found[0] + 1
    connection.execute(
        "REPLACE INTO attempts VALUES"
        " ((SELECT 1 + ifnull(max(number), 0) FROM attempts), ?, ?, ?, ?, ?)",
        (*where, count),
    )
    connection.execute(
        "DELETE FROM attempts WHERE number IN (SELECT number FROM attempts"
        " WHERE group_name = ? AND source = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
        (where[0], where[1], KEPT_ATTEMPTS),
    )
    return count


def attempts(connection: sqlite3.Connection, group: str) -> Sequence[Attempt]:
    """Return the counts of a group, the last one last."""
    rows = connection.execute(
        "SELECT source, partition_key, position, count FROM attempts"
        " WHERE group_name = ? ORDER BY number",
        (group,),
    )
    return [Attempt(source, decode(key), decode(at), count) for source, key, at, count in rows]


def is_left(
    partition: bytes, position: bytes, old: Mapping[bytes, bytes], new: Mapping[bytes, bytes]
) -> bool:
    """Tell whether a partition went on, and is at another position than this one now."""
    return old.get(partition) != new.get(partition) != position


def by_partition(partitions: Mapping[object, object]) -> dict[bytes, bytes]:
    """Return the positions of a source as bytes, by partition."""
    return {encode(k, of="partition"): encode(v, of="position") for k, v in partitions.items()}


def _forget_attempts(
    connection: sqlite3.Connection, group: str, source: str, partitions: bytes
) -> None:
    rows = connection.execute(
        "SELECT number, partition_key, position FROM attempts WHERE group_name = ? AND source = ?",
        (group, source),
    ).fetchall()
    if not rows:
        return
    stored = connection.execute(
        "SELECT partitions FROM positions"
        " WHERE group_id = (SELECT id FROM groups WHERE name = ?) AND source = ?",
        (group, source),
    ).fetchone()
    old = by_partition(decode(stored[0])) if stored else {}
    new = by_partition(decode(partitions))
    connection.executemany(
        "DELETE FROM attempts WHERE number = ?",
        [(number,) for number, key, at in rows if is_left(key, at, old, new)],
    )


def _find(connection: sqlite3.Connection, group: str) -> tuple[int, int, float, str] | None:
    query = "SELECT id, epoch, at_s, fingerprint FROM groups WHERE name = ?"
    found: tuple[int, int, float, str] | None = connection.execute(query, (group,)).fetchone()
    return found


def _set_epoch(
    connection: sqlite3.Connection, group: str, epoch: int, at_s: float, fingerprint: str
) -> int:
    connection.execute(
        "INSERT INTO groups (name, epoch, at_s, fingerprint) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, at_s = excluded.at_s,"
        " fingerprint = excluded.fingerprint",
        (group, epoch, at_s, fingerprint),
    )
    group_id: int = connection.execute("SELECT id FROM groups WHERE name = ?", (group,)).fetchone()[
        0
    ]
    return group_id


def _write_state(
    connection: sqlite3.Connection, group_id: int, address: str, state: FrozenState
) -> int:
    where = group_id, address
    query = "SELECT state_id FROM parts WHERE group_id = ? AND address = ?"
    found = connection.execute(query, where).fetchone()
    is_new = found is None or state.is_complete
    state_id: int = keyed_log.new_state_id(connection) if is_new else found[0]
    connection.execute(
        "REPLACE INTO parts VALUES (?, ?, ?, ?, ?)", (*where, state_id, state.version, state.value)
    )
    return state_id


def _is_stored(
    connection: sqlite3.Connection, group: str, group_id: int | None, address: str
) -> bool:
    queries = [
        f"SELECT 1 FROM {table} WHERE group_id = :id AND {column} = :address"  # noqa: S608
        for table, column in _ADDRESSED
    ]
    queries.append("SELECT 1 FROM attempts WHERE group_name = :group AND source = :address")
    values = {"id": group_id, "group": group, "address": address}
    is_stored = any(connection.execute(query, values).fetchone() for query in queries)
    return is_stored or staging.has(connection, group, address)
