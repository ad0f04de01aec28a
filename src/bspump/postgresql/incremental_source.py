"""A source that reads what has been added to a table, or to the result of a query."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.errors import ConfigError, NotConnectedError
from bspump.abc.options import Duration, Options
from bspump.abc.source import Chunk, PullOptions, PullSource

from .connection import PostgreSQLConnection
from .queries import escaped, in_from, quoted_table, select_between, select_newest

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from bspump.abc.host import Application, Pipeline

Values = list[str]
"""The last values of the columns, in the way in which the server writes them."""


class PostgreSQLIncrementalSourceOptions(PullOptions, frozen=True, kw_only=True):
    """What is read, and what tells the new from the old."""

    table: Annotated[str, Meta(description="Table that is read, instead of `query`.")] = ""
    query: Annotated[str, Meta(description="SELECT whose result is read.")] = ""
    columns: Annotated[
        list[str],
        Meta(
            min_length=1,
            max_length=2,
            description="One or two columns that grow from row to row; an index should have them.",
        ),
    ]
    start: Annotated[
        list[str],
        Meta(description="Values of `columns` after which reading begins; default is all."),
    ] = []  # noqa: RUF012 - each struct gets a list of its own
    lag: Annotated[
        Duration,
        Meta(
            description="A row is read when it has been there for so long: longer than any"
            " transaction that adds rows."
        ),
    ] = 0.0
    chunk_events: Annotated[int, Meta(ge=1, description="Rows of one read at the most.")] = 1000
    timeout: Annotated[
        Duration, Meta(description="Seconds that one query may take; 0: no limit.")
    ] = 60.0


class _Horizon(NamedTuple):
    """The newest row that was there at a moment."""

    at: float
    values: Values


class PostgreSQLIncrementalSource(PullSource[PostgreSQLIncrementalSourceOptions, Values | None]):
    """Read a table in the order of one or two `columns`, and then what is added.

    Emits one dict per row, by the names of the columns. Rows with NULL in one of `columns` are
    left out. Rows with the same value of a single column come in one chunk, however many.

    Position: the last values of `columns`. Reading goes on after them, so a row that appears
    later with a smaller value, or the same, is not seen. Sequences and clocks give such values
    in the wrong order where transactions overlap: set `lag` to longer than they last. What is
    changed or deleted is seen only if `columns` say so; `PostgreSQLReplicationSource` sees all.

    Args:
        connection: Id of a `PostgreSQLConnection`, or the connection.
    """

    OptionsClass: ClassVar[type[Options]] = PostgreSQLIncrementalSourceOptions
    Capabilities: ClassVar[Can] = Can.RESUME | Can.ORDER

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
        self._horizons: deque[_Horizon] = deque()

    async def connect(self) -> None:
        options = self.Options
        if bool(options.table) == bool(options.query.strip()):
            raise ConfigError(f"{self.Id}: table, query: expected one of them")
        if options.start and len(options.start) != len(options.columns):
            raise ConfigError(f"{self.Id}: start: expected as many values as `columns`")
        self._connection = await self.Connection.open()

    async def read(self, position: Values | None, /) -> Chunk[Values | None]:
        after = position or self.Options.start or None
        try:
            async with asyncio.timeout(self.Options.timeout or None):
                horizon = await self._horizon() if self.Options.lag else None
                if self.Options.lag and horizon is None:
                    return Chunk([], position)
                names, rows = await self._fetch(*self._statement(after, horizon))
        except TimeoutError as error:
            await self.close()
            limit_s = self.Options.timeout
            raise NotConnectedError(f"{self.Connection.Where}: no answer in {limit_s:g} s") from (
                error
            )
        if not rows:
            return Chunk([], position)
        width = len(self.Options.columns)
        names = names[:-width]
        events = [dict(zip(names, row, strict=False)) for row in rows]
        return Chunk(events, list(rows[-1][-width:]))

    def _statement(self, after: Values | None, until: Values | None) -> tuple[str, Values]:
        bounds = [(">", after), ("<=", until)]
        statement = select_between(
            self._of(),
            self.Options.columns,
            [comparison for comparison, values in bounds if values is not None],
            self.Options.chunk_events,
        )
        return statement, [value for _, values in bounds for value in values or ()]

    def _of(self) -> str:
        options = self.Options
        return in_from(options.query) if options.query else escaped(quoted_table(options.table))

    async def _horizon(self) -> Values | None:
        """Return the newest row that was there `lag` seconds ago, `None` if there was none."""
        _, rows = await self._fetch(select_newest(self._of(), self.Options.columns), [])
        now, lag_s, horizons = self.App.Clock.monotonic(), self.Options.lag, self._horizons
        # A few are enough, so that their number does not depend on how often is read.
        if rows and (not horizons or now - horizons[-1].at >= lag_s / 10):
            horizons.append(_Horizon(now, list(rows[0])))
        while len(horizons) > 1 and now - horizons[1].at >= lag_s:
            horizons.popleft()
        is_due = bool(horizons) and now - horizons[0].at >= lag_s
        return horizons[0].values if is_due else None

    async def _fetch(self, statement: str, values: Values) -> tuple[list[str], list[Any]]:
        connection = self._connection
        if connection is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        with self.Connection.errors():
            cursor = await connection.execute(statement.encode(), values)
            rows = await cursor.fetchall()
            return [column.name for column in cursor.description or ()], rows

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
