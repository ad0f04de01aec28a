"""The replication slot and the publication that a source needs: looked at, and created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bspump.abc.errors import ConfigError

from .lsn import format_lsn, parse_lsn
from .queries import literal, quoted, quoted_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection

_SLOT: Final = """
    SELECT plugin, database = current_database(), active_pid, confirmed_flush_lsn::text,
           (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                 ELSE pg_current_wal_lsn() END)::text
    FROM pg_replication_slots WHERE slot_name =
"""


class Slot(NamedTuple):
    """A slot as it is now.

    Args:
        confirmed_lsn: what the server need not keep any more.
        end_lsn: where the log of the server ends.
        active_pid: process of the server that sends it to somebody, `None` if nobody reads it.
    """

    confirmed_lsn: int
    end_lsn: int
    active_pid: int | None


async def find_slot(connection: AsyncConnection[Any], name: str) -> Slot | None:
    """Return the slot of that name, `None` if there is none.

    Raises:
        ConfigError: it is of another kind, or belongs to another database.
    """
    # A connection for replication takes no parameters.
    cursor = await connection.execute(f"{_SLOT} {literal(name)}".encode())
    found = await cursor.fetchone()
    if found is None:
        return None
    plugin, is_here, active_pid, confirmed, end = found
    if plugin != "pgoutput" or not is_here:
        raise ConfigError(
            f"slot_name: the slot {name!r} cannot be used\n"
            f"  expected: a slot of this database with the plug-in 'pgoutput'\n"
            f"  got: {'this' if is_here else 'another'} database, plug-in {plugin!r}\n"
            f"  what to do: choose another slot_name, or drop the slot"
        )
    return Slot(parse_lsn(confirmed), parse_lsn(end), active_pid)


def check_position(slot: Slot | None, name: str, lsn: int) -> None:
    """Check that the slot can send what was committed after `lsn`.

    Raises:
        ConfigError: it cannot, so changes would be missing.
    """
    if slot is None:
        what = "there is no such slot any more"
    elif slot.confirmed_lsn > lsn:
        what = f"the slot has been confirmed up to {format_lsn(slot.confirmed_lsn)}"
    elif slot.end_lsn < lsn:
        what = f"the log of the server ends at {format_lsn(slot.end_lsn)}"
    else:
        return
    raise ConfigError(
        f"slot_name: slot {name!r} cannot go on at {format_lsn(lsn)}: {what}\n"
        f"  changes are missing: the slot was dropped or read by somebody else, or the server or"
        f" the stored position was restored from a backup\n"
        f"  what to do: choose another slot_name, with `snapshot` to begin with all rows"
    )


async def create_slot(connection: AsyncConnection[Any], name: str) -> None:
    """Create a slot; waits for the transactions that are under way."""
    await connection.execute(b"SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [name])


async def ensure_publication(
    connection: AsyncConnection[Any], name: str, tables: list[str]
) -> None:
    """Create the publication if there is none and `tables` says of what.

    Raises:
        ConfigError: there is none, and no tables are given.
    """
    cursor = await connection.execute(b"SELECT 1 FROM pg_publication WHERE pubname = %s", [name])
    if await cursor.fetchone():
        return
    if not tables:
        raise ConfigError(
            f"publication: {name!r} is not defined\n"
            f"  what to do: CREATE PUBLICATION {quoted(name)} FOR TABLE …, or name the `tables`"
        )
    of = "ALL TABLES" if tables == ["*"] else f"TABLE {', '.join(map(quoted_table, tables))}"
    await connection.execute(f"CREATE PUBLICATION {quoted(name)} FOR {of}".encode())


async def copy_slot(connection: AsyncConnection[Any], source: str, name: str) -> None:
    """Create a lasting slot that begins where the temporary one called `source` does."""
    names = f"{literal(source)}, {literal(name)}"
    await connection.execute(
        f"SELECT pg_copy_logical_replication_slot({names}, temporary => false)".encode()
    )
