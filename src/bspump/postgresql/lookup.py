"""A lookup whose content is a table of PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from bspump.abc.errors import ConfigError, RejectedError
from bspump.abc.options import Options
from bspump.clients.lookups import KeyedLookup, KeyedLookupOptions

from .connection import PostgreSQLConnection
from .queries import select_any, type_of, verbatim

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from bspump.abc.host import Application

_FIND_ONE = "SELECT {} FROM {} WHERE {}=%s;"


class PostgreSQLLookupOptions(KeyedLookupOptions, frozen=True, kw_only=True):
    """Which table is asked, and what for. All are pieces of SQL, used as they are written."""

    statement: Annotated[str, Meta(description="Columns that are returned.")] = "*"
    from_: Annotated[str, Meta(description="Table, view or join.")] = msgspec.field(
        name="from", default=""
    )
    key: Annotated[str, Meta(description="Column or expression that is compared.")] = ""
    query_find_one: Annotated[
        str,
        Meta(
            description="Query for one key, in place of the usual one for many; `{}` stand for"
            " `statement`, `from` and `key`."
        ),
    ] = _FIND_ONE
    query_count: Annotated[str, Meta(description="Query that counts; `{}` stands for `from`.")] = (
        "SELECT count(*) AS count FROM {};"
    )
    query_iter: Annotated[
        str, Meta(description="Query of all rows; `{}` stand for `statement` and `from`.")
    ] = "SELECT {} FROM {};"


class PostgreSQLLookup(KeyedLookup):
    """Find rows of a table by a key: `await lookup.get(key)` is the row as a dict, or `None`.

    Keys that are asked for at the same time go into one query (`= ANY`), answers are remembered:
    see `KeyedLookup`. Of several rows with the same key the first counts. A key that cannot be
    one of the column's type fails alone.

    Args:
        connection: Id of a `PostgreSQLConnection`, or the connection.
    """

    OptionsClass: ClassVar[type[Options]] = PostgreSQLLookupOptions
    Options: PostgreSQLLookupOptions

    def __init__(
        self,
        app: Application,
        connection: str | PostgreSQLConnection,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        lazy: bool = False,
    ) -> None:
        super().__init__(app, id, config, lazy)
        located: Any = app.PumpService.locate_connection(connection)
        self.Connection: PostgreSQLConnection = located
        self._query_many = b""

    async def fetch_many(self, keys: Sequence[Any], /) -> Mapping[Any, Any]:
        self._check_options()
        wanted = [key for key in keys if key is not None]
        if self.Options.query_find_one != _FIND_ONE:
            return await self._each(wanted)
        try:
            return await self._find(wanted)
        except RejectedError:
            return await self._each(wanted)

    def _check_options(self) -> None:
        if not self.Options.from_ or not self.Options.key:
            raise ConfigError(f"lookup {self.Id!r}: from, key: expected a table and its key")

    async def _each(self, keys: Sequence[Any]) -> dict[Any, Any]:
        """Ask for one key after the other, so that one which cannot be asked for fails alone."""
        found: dict[Any, Any] = {}
        is_usual = self.Options.query_find_one == _FIND_ONE
        for key in keys:
            try:
                found |= await (self._find([key]) if is_usual else self._find_one(key))
            except RejectedError as error:
                found[key] = error
        return found

    async def _find(self, keys: Sequence[Any]) -> dict[Any, Any]:
        texts = [_as_text(key) for key in keys]
        found: dict[Any, Any] = {}
        async with self.Connection.acquire() as connection:
            query = self._query_many or await self._make_query(connection)
            cursor = await connection.execute(query, [texts, texts])
            names = [column.name for column in cursor.description or ()][1:]
            for places, *values in await cursor.fetchall():
                row = dict(zip(names, values, strict=True))
                for place in places or ():
                    found.setdefault(keys[place - 1], row)
        return found

    async def _make_query(self, connection: AsyncConnection[Any]) -> bytes:
        """Return the query for many keys, which are compared as values of the column's type."""
        options = self.Options
        statement, table, key = map(verbatim, (options.statement, options.from_, options.key))
        cursor = await connection.execute(type_of(key, table).encode(), [])
        row = await cursor.fetchone()
        key_type = row[0] if row else "text"
        self._query_many = select_any(statement, table, key, key_type).encode()
        return self._query_many

    async def _find_one(self, key: Any) -> dict[Any, Any]:
        options = self.Options
        query = options.query_find_one.format(options.statement, options.from_, options.key)
        rows = [row async for row in self._rows(query, [key])]
        return {key: rows[0]} if rows else {}

    async def count(self) -> int:
        """Return how many rows there are.

        Raises:
            TransferError: it cannot be known now.
        """
        query = self.Options.query_count.format(self.Options.from_)
        rows = [row async for row in self._rows(query)]
        return int(rows[0]["count"])

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Iterate over all rows; they are held in memory."""
        query = self.Options.query_iter.format(self.Options.statement, self.Options.from_)
        async for row in self._rows(query):
            yield row

    async def _rows(
        self, query: str, parameters: Sequence[Any] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        self._check_options()
        async with self.Connection.acquire() as connection:
            cursor = await connection.execute(query.encode(), parameters)
            names = [column.name for column in cursor.description or ()]
            rows = await cursor.fetchall()
        for row in rows:
            yield dict(zip(names, row, strict=True))


def _as_text(key: Any) -> str:
    """Return a key as the server reads it, whatever the type of the column."""
    return f"\\x{key.hex()}" if isinstance(key, bytes) else str(key)
