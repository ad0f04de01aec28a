"""A source that runs a query once per cycle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from bspump.abc.errors import ConfigError, NotConnectedError, TransientError
from bspump.abc.options import Options
from bspump.abc.source import TriggerSource

from .connection import PostgreSQLConnection
from .rows import ServerRows

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class PostgreSQLSourceOptions(Options, frozen=True, kw_only=True):
    """What is asked."""

    query: Annotated[str, Meta(description="A SELECT (or VALUES, TABLE, WITH … SELECT).")] = ""
    chunk_events: Annotated[int, Meta(ge=1, description="Rows that are fetched at a time.")] = 1000


class PostgreSQLSource(TriggerSource):
    """Run `query` in each cycle, and emit one dict per row, by the names of its columns.

    Rows are fetched through a cursor of the server, so a result may be of any size, and all come
    from one state of the database. What the query changes by functions that it calls is committed
    when all rows have been passed on. Nothing is remembered from cycle to cycle.

    Where the server cannot be had, or the connection is lost, the query is run again after the
    `reconnect_delay` of the connection, so rows that had been passed on before come twice.

    Args:
        connection: Id of a `PostgreSQLConnection`, or the connection.
    """

    OptionsClass: ClassVar[type[Options]] = PostgreSQLSourceOptions
    Options: PostgreSQLSourceOptions

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

    async def cycle(self) -> None:
        """Run the query, and pass on its rows."""
        if not self.Options.query.strip():
            raise ConfigError(f"{self.Id}: query: expected a SELECT, got nothing")
        delay_s = self.Connection.Options.reconnect_delay
        while True:
            try:
                await self._run()
            except (NotConnectedError, TransientError) as error:
                self.Pipeline.L.warning(
                    "cannot read", source=self.Id, error=str(error), retry_in_s=delay_s
                )
                await self.App.Clock.sleep(delay_s)
            else:
                return

    async def _run(self) -> None:
        errors, count = self.Connection.errors, self.Options.chunk_events
        connection = await self.Connection.open()
        try:
            with errors():
                # A pipeline that is held back for long must not lose its place.
                await connection.execute(b"SET idle_in_transaction_session_timeout = 0")
                await connection.execute(b"BEGIN")
                result = ServerRows(connection)
                await result.open(self.Options.query)
                rows = await result.fetch(count)
            while rows:
                await self.Pipeline.process_many(rows)
                with errors():
                    rows = await result.fetch(count)
            with errors():
                await connection.execute(b"COMMIT")
        finally:
            await connection.close()
