"""A sink that writes events to a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PartialWriteError,
    RejectedError,
    TransientError,
)
from bspump.abc.options import Options
from bspump.abc.sink import Batch, BatchSink, BatchSinkOptions

from .connection import PostgreSQLConnection
from .pool import is_idle
from .writers import CopyWriter, QueryWriter, Row, UpsertWriter, Writer

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from bspump.abc.host import Application, Event, Pipeline


class PostgreSQLSinkOptions(BatchSinkOptions, frozen=True, kw_only=True):
    """What is written, by a query or into a table."""

    query: Annotated[
        str, Meta(description="Statement for each event, with `%s` for each field of `data`.")
    ] = ""
    data: Annotated[
        list[str], Meta(description="Fields of an event that are the parameters of `query`.")
    ] = []  # noqa: RUF012 - each struct gets a list of its own
    table: Annotated[
        str, Meta(description="Table to write to, instead of `query`: `name` or `schema.name`.")
    ] = ""
    columns: Annotated[
        list[str],
        Meta(description="Fields that are written; default is all, and each must be a column."),
    ] = []  # noqa: RUF012 - each struct gets a list of its own
    key: Annotated[
        list[str],
        Meta(description="Columns of a unique index: a row that is there is changed."),
    ] = []  # noqa: RUF012 - each struct gets a list of its own


class PostgreSQLSink(BatchSink[PostgreSQLSinkOptions]):
    """Write events, which are dicts, to a table; a batch is one transaction.

    With `table`, rows are appended by COPY; with `key` too, they are inserted, or replace the
    values of the row that has the same key. With `query`, that is run for each event.

    A refused event (a constraint, a value of the wrong type, a field without a column) is set
    aside; its neighbours are written. Deadlocks, a full server and the like are waited for. A
    missing table or right stops the pipeline, and loses nothing.

    At least once: if the connection is lost while a transaction is being committed, the batch is
    written again. With `key` that changes nothing.

    Args:
        connection: Id of a `PostgreSQLConnection`, or the connection.
    """

    OptionsClass: ClassVar[type[Options]] = PostgreSQLSinkOptions

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
        self._connection: AsyncConnection[Any] | None = None
        self._writer: Writer | None = None
        if self.Options.key:
            # It is this sink that can, not all of its class.
            vars(self)["Capabilities"] = Can.IDEMPOTENT

    async def connect(self) -> None:
        writer = self._chosen_writer()
        connection = await self.Connection.open()
        try:
            with self.Connection.errors():
                await writer.prepare(connection)
        except BaseException:
            await connection.close()
            raise
        self._connection, self._writer = connection, writer

    def _chosen_writer(self) -> Writer:
        options = self.Options
        if bool(options.table) == bool(options.query.strip()):
            raise ConfigError(f"{self.Id}: table, query: expected one of them")
        if options.query:
            return QueryWriter(options.query, options.data)
        if options.key:
            return UpsertWriter(options.table, options.columns, options.key)
        return CopyWriter(options.table, options.columns)

    def size_bytes(self, event: Event, /) -> int:
        """Return about how much is sent for `event`: its texts, and a few bytes for the rest."""
        # It is asked for every event: a loop over exact types is three times as fast as `sum`.
        if type(event) is not dict:
            return super().size_bytes(event)
        size = 8 * len(event)
        for value in event.values():
            kind = type(value)
            if kind is str or kind is bytes:
                size += len(value)
        return size

    async def write(self, batch: Batch, /) -> None:
        connection, writer = self._connection, self._writer
        if connection is None or writer is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        rows, errors = self._rows(writer, batch.events)
        if rows:
            with self.Connection.errors():
                await self._commit(connection, writer, rows)
        if errors:
            raise PartialWriteError(errors)

    @staticmethod
    def _rows(
        writer: Writer, events: Sequence[Event]
    ) -> tuple[list[Row], dict[int, TransientError | RejectedError]]:
        """Return the rows of the events, and the errors of those that have none."""
        rows: list[Row] = []
        errors: dict[int, TransientError | RejectedError] = {}
        for index, event in enumerate(events):
            if type(event) is not dict and not isinstance(event, Mapping):
                errors[index] = RejectedError(f"expected a dict, got {type(event).__name__}")
                continue
            try:
                rows.append(writer.row(event))
            except RejectedError as error:
                errors[index] = error
        return rows, errors

    @staticmethod
    async def _commit(
        connection: AsyncConnection[Any], writer: Writer, rows: Sequence[Row]
    ) -> None:
        """Write all rows in one transaction: what else must be true with them goes in here."""
        try:
            async with connection.transaction(), connection.cursor() as cursor:
                await writer.write(cursor, rows)
        finally:
            # Cancelled at a bad moment, it may be left in the middle of the transaction.
            if not is_idle(connection):
                await connection.close()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
