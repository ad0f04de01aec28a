"""Ways to write rows: by a query of the user, by COPY, and by inserting or changing."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bspump.abc.errors import ConfigError, RejectedError

from .adapting import dump_json
from .queries import insert, quoted_list, quoted_table

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncCursor

# What a column of such a type would take for something else than JSON.
_JSON_VALUES: Final = (dict, list, tuple, bool)

_COLUMNS: Final = b"""
    SELECT attname, atttypid::regtype::text FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    ORDER BY attnum
"""


class Row(NamedTuple):
    """What an event becomes: the columns that it has, and their values."""

    columns: tuple[str, ...]
    values: Sequence[Any]


class Writer(ABC):
    """Makes rows of events, and writes them in the transaction of the caller."""

    @abstractmethod
    async def prepare(self, connection: AsyncConnection[Any]) -> None:
        """Look at the table; raises ConfigError where it cannot be written."""

    @abstractmethod
    def row(self, event: Mapping[str, Any], /) -> Row:
        """Return what is to be written.

        Raises:
            RejectedError: the event does not fit.
        """

    @abstractmethod
    async def write(self, cursor: AsyncCursor[Any], rows: Sequence[Row], /) -> None:
        """Write all rows or raise; an error of psycopg concerns some of them."""


class QueryWriter(Writer):
    """Runs a query with parameters for each event.

    Args:
        query: with a `%s` for each of `fields`, or with `%(field)s` and no `fields`.
        fields: of an event, in the order of the parameters; what it has not is NULL.
    """

    def __init__(self, query: str, fields: Sequence[str]) -> None:
        self._query, self._fields = query.encode(), tuple(fields)

    async def prepare(self, connection: AsyncConnection[Any]) -> None:
        """Nothing is known of the query but what the server says when it is run."""

    def row(self, event: Mapping[str, Any], /) -> Row:
        if not self._fields:
            return Row((), event)  # type: ignore[arg-type]
        return Row(self._fields, [event.get(field) for field in self._fields])

    async def write(self, cursor: AsyncCursor[Any], rows: Sequence[Row], /) -> None:
        await cursor.executemany(self._query, [row.values for row in rows])


class TableWriter(Writer):
    """Makes rows of a table of events.

    Args:
        table: its name, with or without its schema.
        columns: those to write; what an event has not is NULL. Without them, the fields of each
            event are its columns, and the others get their defaults.
    """

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        self.table, self._chosen = table, tuple(columns)
        self._json: dict[str, Any] = {}
        self._known: frozenset[str] = frozenset()
        self._seen: tuple[str, ...] = ()

    async def prepare(self, connection: AsyncConnection[Any]) -> None:
        from psycopg.types.json import Json, Jsonb

        cursor = await connection.execute(_COLUMNS, [quoted_table(self.table)])
        types = dict(await cursor.fetchall())
        if not types:
            raise ConfigError(
                f"table: {self.table!r} is not there\n"
                f"  expected: a table as the server writes its name, such as `public.orders`"
            )
        self._known = frozenset(types)
        self._check(self._chosen, "columns")
        wrap = {"json": Json, "jsonb": Jsonb}
        self._json = {name: wrap[kind] for name, kind in types.items() if kind in wrap}

    def _check(self, names: Sequence[str], option: str) -> None:
        if missing := [name for name in names if name not in self._known]:
            raise ConfigError(
                f"{option}: the table {self.table!r} has no column {missing[0]!r} to write\n"
                f"  expected: some of {', '.join(sorted(self._known))}"
            )

    def row(self, event: Mapping[str, Any], /) -> Row:
        columns = self._chosen
        if columns:
            values = [event.get(column) for column in columns]
        else:
            columns, values = tuple(event), list(event.values())
            # Most often the event before had the same fields.
            if columns != self._seen:
                self._check_fields(columns)
                self._seen = columns
        if self._json:
            values = [self._wrapped(*pair) for pair in zip(columns, values, strict=True)]
        return Row(columns, values)

    def _check_fields(self, fields: tuple[Any, ...]) -> None:
        if unknown := sorted(map(str, set(fields) - self._known)):
            raise RejectedError(f"the table {self.table!r} has no column {unknown[0]!r}")

    def _wrapped(self, column: str, value: Any) -> Any:
        wrap = self._json.get(column)
        is_json = wrap is not None and isinstance(value, _JSON_VALUES)
        return wrap(value, dump_json) if wrap is not None and is_json else value


class CopyWriter(TableWriter):
    """Appends rows by COPY, those with the same columns at once."""

    async def write(self, cursor: AsyncCursor[Any], rows: Sequence[Row], /) -> None:
        by_columns: dict[tuple[str, ...], list[Sequence[Any]]] = {}
        for columns, values in rows:
            by_columns.setdefault(columns, []).append(values)
        for columns, lines in by_columns.items():
            names = f"({quoted_list(columns)})" if columns else ""
            statement = f"COPY {quoted_table(self.table)} {names} FROM STDIN"
            async with cursor.copy(statement.encode()) as copy:
                for line in lines:
                    await copy.write_row(line)


class UpsertWriter(TableWriter):
    """Inserts rows, or changes those that have the same key; the later of two wins.

    Args:
        table: its name.
        columns: those to write.
        key: columns of a unique index.
    """

    def __init__(self, table: str, columns: Sequence[str], key: Sequence[str]) -> None:
        super().__init__(table, columns)
        self._key = tuple(key)

    async def prepare(self, connection: AsyncConnection[Any]) -> None:
        await super().prepare(connection)
        self._check(self._key, "key")

    def row(self, event: Mapping[str, Any], /) -> Row:
        row = super().row(event)
        if missing := [column for column in self._key if column not in row.columns]:
            raise RejectedError(f"the event has no {missing[0]!r}, which is in the key")
        return row

    async def write(self, cursor: AsyncCursor[Any], rows: Sequence[Row], /) -> None:
        for columns, same in itertools.groupby(rows, key=lambda row: row.columns):
            statement = insert(self.table, columns, self._key)
            await cursor.executemany(statement.encode(), [row.values for row in same])
