"""The CSV codec: one row is one message.

>>> codec = CsvCodec(fieldnames=["id", "name"])
>>> codec.decode(b'7,"Smith, Ann"')
{'id': '7', 'name': 'Smith, Ann'}
>>> codec.encode({"id": 7, "name": 'say "hi" twice'})
b'7,"say ""hi"" twice"'
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import msgspec

from bspump.abc.codec import Codec
from bspump.abc.errors import ConfigError

from .fields import cell, convert, fields_of, nullable_of
from .plain import TextCodec
from .reject import rejected


class _Echo:
    """A file whose `write` gives the text back, so that `writerow` returns the row."""

    def write(self, text: str, /) -> str:
        return text


class CsvCodec(Codec):
    """An event is a dict of the named columns, a list of `str` without names, or a `schema`.

    A row must have exactly the named columns. Missing keys and None are written as an empty
    cell, keys that are no column are left out, nested values are written as JSON. Columns come
    from `fieldnames`, else from the fields of the schema. An empty cell is None where the schema
    says so and an empty text cannot be meant, as in `int | None`.

    A quoted cell may contain a newline in `decode` and `encode`; in `decode_lines` a line is
    always a row. A cell longer than 128 Ki characters is rejected (`csv.field_size_limit`).

    Args:
        schema: a `msgspec.Struct` or `TypedDict`; cells are converted to the types it declares.
        fieldnames: names of the columns, in order.
        delimiter: one character between cells.
        quotechar: one character around a cell that contains a delimiter.
        encoding: of the bytes.

    Raises:
        ConfigError: an option or the schema is of no use.
    """

    def __init__(
        self,
        schema: Any = None,
        *,
        fieldnames: Sequence[str] | None = None,
        delimiter: str = ",",
        quotechar: str = '"',
        encoding: str = "utf-8",
    ) -> None:
        if isinstance(fieldnames, str):
            raise ConfigError(f"codec 'csv': fieldnames must be a list, got {fieldnames!r}")
        self._schema = schema
        names = fields_of("csv", schema) if schema is not None else ()
        self._fieldnames = tuple(fieldnames if fieldnames is not None else names)
        self._nullable = nullable_of(schema) if schema is not None else frozenset()
        self._text = TextCodec(encoding=encoding)
        self._dialect: dict[str, Any] = {"delimiter": delimiter, "quotechar": quotechar}
        try:
            # The line ending of the RFC makes the writer quote cells with either of its halves.
            writer = csv.writer(_Echo(), lineterminator="\r\n", **self._dialect)
        except TypeError as error:
            raise ConfigError(f"codec 'csv': {error}") from error
        self._writerow = writer.writerow

    def header(self) -> bytes:
        """Return the names of the columns as a row; empty when there are none."""
        return self._text.encode(self._format(self._fieldnames)) if self._fieldnames else b""

    def decode(self, message: bytes, /) -> Any:
        text = self._text.decode(message)
        rows = self._rows([text], message)
        if len(rows) != 1 or not rows[0]:
            raise rejected("csv", "one row", message)
        return self._events(rows)[0]

    def decode_lines(self, block: bytes, /) -> list[Any]:
        lines = [line for line in self._text.decode(block).split("\n") if line and line != "\r"]
        rows = self._rows(lines, block)
        if len(rows) != len(lines):
            # An open quote has swallowed a line; singly, the line at fault is refused by itself.
            rows = [row for line in lines for row in self._rows([line], line)]
        return self._events(rows)

    def _rows(self, lines: list[str], source: bytes | str) -> list[list[str]]:
        try:
            return list(csv.reader(lines, strict=True, **self._dialect))
        except csv.Error as error:
            raise rejected("csv", "rows of cells", source, str(error)) from error

    def _events(self, rows: list[list[str]]) -> list[Any]:
        names = self._fieldnames
        if not names:
            return rows
        try:
            events = [dict(zip(names, row, strict=True)) for row in rows]
        except ValueError:
            row = next(row for row in rows if len(row) != len(names))
            raise rejected("csv", f"{len(names)} cells", row, f"{len(row)} cells") from None
        return events if self._schema is None else [self._typed(event) for event in events]

    def _typed(self, event: dict[str, Any]) -> Any:
        for name in self._nullable:
            if event.get(name) == "":
                event[name] = None
        return convert("csv", event, self._schema)

    def encode(self, event: Any, /) -> bytes:
        return self._text.encode(self._row(event))

    def encode_lines(self, events: Sequence[Any], /) -> bytes:
        return self._text.encode_lines([self._row(event) for event in events])

    def _row(self, event: Any) -> str:
        if isinstance(event, msgspec.Struct):
            event = msgspec.to_builtins(event)
        if isinstance(event, dict):
            if not self._fieldnames:
                raise rejected("csv", "a list of cells, as no fieldnames are given", event)
            return self._format([event.get(name) for name in self._fieldnames])
        if isinstance(event, list | tuple) and event:
            if self._fieldnames and len(event) != len(self._fieldnames):
                raise rejected("csv", f"{len(self._fieldnames)} cells", event)
            return self._format(event)
        raise rejected("csv", "a dict or a list of cells", event)

    def _format(self, cells: Sequence[Any]) -> str:
        try:
            row: str = self._writerow([cell("csv", value) for value in cells])
        except csv.Error as error:
            raise rejected("csv", "cells that a row can hold", cells, str(error)) from error
        return row[:-2]
