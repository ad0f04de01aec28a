"""A source of the changes that are made to tables: change data capture by logical replication."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bspump.abc.capabilities import Can
from bspump.abc.errors import NotConnectedError, PumpError, TransientError
from bspump.abc.options import Options
from bspump.abc.source import Chunk, PullSource

from .connection import PostgreSQLConnection
from .feed import ChangeFeed, ChangePosition, open_feed
from .replication_options import PostgreSQLReplicationSourceOptions
from .slot import check_position, create_slot, ensure_publication, find_slot
from .snapshot import InitialSnapshot

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from bspump.abc.host import Application, Pipeline

# A read comes back after so long without a change, so that what was read is acknowledged.
_PATIENCE_S: Final = 1.0
_UNCONFIRMED_S: Final = 0.05


class PostgreSQLReplicationSource(PullSource[PostgreSQLReplicationSourceOptions, ChangePosition]):
    """Read the changes of tables by logical replication, in the order of their commits.

    Emits one dict per change: `operation` (`insert`, `update`, `delete`, `truncate`, or
    `snapshot` of a row that was there), `schema`, `table`, `key`, the `old` row as far as the
    server sends it (`REPLICA IDENTITY`), the `new` row, the names of the `unchanged` columns that
    `new` lacks, `lsn` and `committed_ms` (Unix milliseconds) of the commit, number of the
    transaction (`xid`) and the event's `sequence` in it. `(lsn, sequence)` is the same whenever
    the same change comes again.

    Position: what was committed, and the number of events after that. The server keeps what has
    not been acknowledged, so a crash or a lost connection loses nothing, and repeats at most
    that. While the pipeline is held back the server keeps on hearing from the source. Changes
    that have been acknowledged cannot be read again: a position before them is an error.

    A slot keeps the log of the server from being deleted: drop it when the source is given up.

    With `snapshot`, the rows of all tables come first. Until they are acknowledged the slot does
    not exist, and an interruption begins with all rows again.

    Args:
        connection: Id of a `PostgreSQLConnection`, or the connection; its role needs the right
            of replication.
    """

    OptionsClass: ClassVar[type[Options]] = PostgreSQLReplicationSourceOptions
    Capabilities: ClassVar[Can] = Can.RESUME | Can.ORDER | Can.REDELIVER

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        connection: str | PostgreSQLConnection,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        located: Any = app.PumpService.locate_connection(connection)
        self.Connection: PostgreSQLConnection = located
        self._feed: ChangeFeed | None = None
        self._snapshot: InitialSnapshot | None = None
        self._alive: asyncio.Task[Any] | None = None
        self._durable_lsn = 0
        if self.Options.snapshot:
            # A snapshot that was cut off begins again.
            vars(self)["Capabilities"] = type(self).Capabilities | Can.REPEAT

    async def connect(self) -> None:
        """Begin to read, or with the snapshot; create the publication and the slot before that."""
        connection = await self.Connection.open()
        try:
            with self.Connection.errors():
                is_new = await self._prepare(connection)
        finally:
            await connection.close()
        if is_new and self.Options.snapshot:
            await self._begin_snapshot()
        else:
            await self._open(self._streamed(self.Position))

    async def _prepare(self, connection: AsyncConnection[Any]) -> bool:
        """See that there is what is needed; tell whether reading begins with this run."""
        options, position = self.Options, self.Position
        publication = options.publication or options.slot_name
        await ensure_publication(connection, publication, options.tables)
        slot = await find_slot(connection, options.slot_name)
        if position is not None and position["lsn"]:
            check_position(slot, options.slot_name, position["lsn"])
        elif slot is None and not options.snapshot:
            await create_slot(connection, options.slot_name)
        return slot is None

    @staticmethod
    def _streamed(position: ChangePosition | None) -> ChangePosition | None:
        """Return where to stream from: if the snapshot is complete, from where the slot begins."""
        return position if position is not None and position["lsn"] else None

    async def _begin_snapshot(self) -> None:
        if self.Position is not None and self.Position["events"]:
            self.Pipeline.L.warning("the snapshot begins again", source=self.Id)
        self._snapshot = snapshot = InitialSnapshot(
            self.Connection, self.Options.publication or self.Options.slot_name
        )
        try:
            await snapshot.open(self.Options.slot_name)
        except BaseException:
            await self.close()
            raise

    async def read(self, position: ChangePosition | None, /) -> Chunk[ChangePosition]:
        if self._snapshot is not None:
            return await self._read_snapshot(self._snapshot, position)
        position = self._streamed(position)
        feed = self._feed
        if feed is None or not feed.is_at(position):
            feed = await self._open(position)
        try:
            with self.Connection.errors():
                events = await feed.read(_PATIENCE_S)
        except PumpError:
            await self._drop()
            raise
        return Chunk(events, feed.position)

    async def _open(self, position: ChangePosition | None) -> ChangeFeed:
        await self._drop()
        feed = await open_feed(
            self.Connection, self.Options, position, self._durable_lsn, self.App.Clock
        )
        self._feed = feed
        name = f"{self.locate_address()}: keepalive"
        self._alive = self.App.spawn(feed.stream.keep_alive(), name=name)
        return feed

    async def _read_snapshot(
        self, snapshot: InitialSnapshot, position: ChangePosition | None
    ) -> Chunk[ChangePosition]:
        done = position["events"] if position and position.get("snapshot") == snapshot.lsn else 0
        if done != snapshot.events:
            raise NotConnectedError("rows of the snapshot were lost on their way; it begins again")
        if snapshot.is_durable:
            await self._confirm_snapshot(snapshot)
            return Chunk([], {"lsn": snapshot.lsn, "events": 0})
        try:
            events = [] if snapshot.is_complete else await snapshot.read(self.Options.chunk_events)
        except TransientError as error:
            # Its transaction is over with the first error, so there is nothing to go on with.
            raise NotConnectedError(str(error)) from error
        if not events:
            await self.App.Clock.sleep(_UNCONFIRMED_S)
        return Chunk(events, {"lsn": 0, "events": snapshot.events, "snapshot": snapshot.lsn})

    async def _confirm_snapshot(self, snapshot: InitialSnapshot) -> None:
        await snapshot.confirm(self.Options.slot_name)
        self._snapshot = None
        await snapshot.close()

    async def acknowledge(self, position: ChangePosition, /) -> None:
        self._durable_lsn = max(self._durable_lsn, position["lsn"])
        feed, snapshot = self._feed, self._snapshot
        # The next read tells what is wrong with the connection, and what was acknowledged is
        # told to the server by the next stream, or the next read of the snapshot.
        with contextlib.suppress(NotConnectedError, TransientError):
            if feed is not None:
                with self.Connection.errors():
                    feed.stream.confirm(self._durable_lsn)
            elif snapshot is not None and position.get("snapshot") == snapshot.lsn:
                snapshot.is_durable = snapshot.is_complete and position["events"] == snapshot.events
                if snapshot.is_durable:
                    await self._confirm_snapshot(snapshot)

    async def _drop(self) -> None:
        """Let go of the slot."""
        alive, self._alive = self._alive, None
        if alive is not None:
            alive.cancel()
        feed, self._feed = self._feed, None
        if feed is not None:
            await feed.stream.close()

    async def close(self) -> None:
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is not None:
            await snapshot.close()
        await self._drop()


PostgreSQLLogicalReplicationSource = PostgreSQLReplicationSource
