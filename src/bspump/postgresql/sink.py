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
from bspump.abc.sink import Batch, EpochId, EpochSink, TransactionalSinkOptions

from .connection import PostgreSQLConnection
from .constraints import DeferredConstraints, deferred_constraints
from .epochs import Epochs
from .pool import is_idle
from .writers import CopyWriter, QueryWriter, Row, UpsertWriter, Writer

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from bspump.abc.host import Application, Event, Pipeline


class PostgreSQLSinkOptions(TransactionalSinkOptions, frozen=True, kw_only=True):
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
    exactly_once: Annotated[
        bool,
        Meta(
            description="One transaction for each checkpoint, which notes its number in the"
            " database, too: a table is made for that, and others see rows with the checkpoint."
        ),
    ] = False
    epochs_table: Annotated[str, Meta(description="That table, with or without its schema.")] = (
        "bspump_epochs"
    )


class PostgreSQLSink(EpochSink[PostgreSQLSinkOptions]):
    """Write events, which are dicts, to a table; a batch is one transaction.

    With `table`, rows are appended by COPY; with `key` too, they are inserted, or replace the
    values of the row that has the same key. With `query`, that is run for each event.

    A refused event (a constraint, a value of the wrong type, a field without a column) is set
    aside; its neighbours are written. Deadlocks, a full server and the like are waited for. A
    missing table or right stops the pipeline, and loses nothing.

    At least once: if the connection is lost while a transaction is being committed, the batch is
    written again. With `key` that changes nothing.

    With `exactly_once` all that belongs to one checkpoint is one transaction, in which the number
    of the checkpoint is stored as well. So every event is written once, if the source can read on
    from a position and checkpoints outlive the process (`var_dir` in `[general]`).

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
        self._epochs: Epochs | None = None
        self._constraints: DeferredConstraints | None = None
        self._is_in_epoch = False
        if self.Options.key:
            # It is this sink that can, not all of its class.
            vars(self)["Capabilities"] = Can.IDEMPOTENT

    def is_transactional(self) -> bool:
        return self.Options.exactly_once

    async def connect(self) -> None:
        writer = self._chosen_writer()
        connection = await self.Connection.open()
        self._is_in_epoch = False
        try:
            with self.Connection.errors():
                await writer.prepare(connection)
                if self.Options.exactly_once:
                    self._epochs = Epochs(
                        self.Options.epochs_table, self.locate_address(), self.Pipeline.lineage()
                    )
                    await self._epochs.prepare(connection)
                    self._constraints = await deferred_constraints(connection)
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
                await self._write_rows(connection, writer, rows)
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

    async def _write_rows(
        self, connection: AsyncConnection[Any], writer: Writer, rows: Sequence[Row]
    ) -> None:
        """Write all rows or none: in a transaction, or in a savepoint of that of the epoch."""
        try:
            if self._epochs is not None:
                await self._begin(connection, self._epochs)
            async with connection.transaction(), connection.cursor() as cursor:
                await writer.write(cursor, rows)
                if self._constraints is not None:
                    await self._constraints.check(cursor)
        finally:
            # Cancelled at a bad moment, it may be left in the middle of the transaction.
            if not is_idle(connection, in_transaction=self._is_in_epoch):
                await connection.close()

    async def _begin(self, connection: AsyncConnection[Any], epochs: Epochs) -> None:
        if not self._is_in_epoch:
            await epochs.begin(connection)
            self._is_in_epoch = True

    async def commit(self, epoch: EpochId, positions: Mapping[str, Any], /) -> None:
        connection, epochs = self._with_epochs()
        try:
            with self.Connection.errors():
                await self._begin(connection, epochs)
                await epochs.store(connection, epoch.number)
                await connection.execute("COMMIT")
        finally:
            self._is_in_epoch = False
            if not is_idle(connection):
                await connection.close()

    async def committed(self) -> EpochId | None:
        connection, epochs = self._with_epochs()
        with self.Connection.errors():
            return await epochs.last(connection)

    def _with_epochs(self) -> tuple[AsyncConnection[Any], Epochs]:
        if self._connection is None or self._epochs is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        return self._connection, self._epochs

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        self._is_in_epoch = False
        if connection is not None:
            await connection.close()
