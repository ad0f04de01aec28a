"""What the source of changes can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from bspump.abc.options import Duration, Size
from bspump.abc.source import PullOptions


class PostgreSQLReplicationSourceOptions(PullOptions, frozen=True, kw_only=True):
    """Which changes are read, and by which slot."""

    slot_name: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9_]{1,63}$",
            description="Replication slot: where the server remembers how far the source has come;"
            " one for each source. It is created if there is none.",
        ),
    ]
    publication: Annotated[
        str, Meta(description="Publication that names the tables; default is `slot_name`.")
    ] = ""
    tables: Annotated[
        list[str],
        Meta(
            description="Tables of the publication, if it has to be created: `name` or"
            " `schema.name`; `*` is all of the database."
        ),
    ] = []  # noqa: RUF012 - each struct gets a list of its own
    snapshot: Annotated[
        bool,
        Meta(description="Read the tables as they are when the slot is created, then changes."),
    ] = False
    output_plugin: Annotated[
        Literal["pgoutput"], Meta(description="The plug-in of the slot; it comes with the server.")
    ] = "pgoutput"
    chunk_events: Annotated[int, Meta(ge=1, description="Events of one read at the most.")] = 1000
    chunk_bytes: Annotated[
        Size, Meta(description="Bytes of changes of one read; one row may be larger.")
    ] = 4 << 20
    timeout: Annotated[
        Duration,
        Meta(
            description="Connect again if the server says nothing for so many seconds; more than"
            " 20, or 0: never."
        ),
    ] = 60.0
    idle: Annotated[Duration, Meta(description="Wait after a read that found nothing.")] = 0.0
