"""CSV files as rows."""

from __future__ import annotations

import asyncio
import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from bspump.abc.errors import ConfigError, RejectedError
from bspump.abc.options import Options

from .abc_source import FileABCOptions
from .characters import Newline
from .csv_options import (
    CellQuoting,
    Delimiter,
    Dialect,
    DoubleQuote,
    EscapeCharacter,
    LineTerminator,
    QuoteCharacter,
    SkipInitialSpace,
    Strict,
    dialect_of,
)
from .line_source import FileLineSource
from .lines import LineReader

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class FileCSVSourceOptions(FileABCOptions, frozen=True, kw_only=True):
    """What a source of CSV files can be told."""

    mode: Annotated[Literal["r", "rt"], Meta(description="CSV is text.")] = "r"
    newline: Annotated[Newline, Meta(description="Of the text; empty suits all.")] = ""
    dialect: Dialect = "excel"
    delimiter: Delimiter = ","
    doublequote: DoubleQuote = True
    escapechar: EscapeCharacter = "\\"
    lineterminator: LineTerminator = os.linesep
    quotechar: QuoteCharacter = '"'
    quoting: CellQuoting = 0
    skipinitialspace: SkipInitialSpace = False
    strict: Strict = False


class FileCSVSource(FileLineSource):
    """Read CSV files row by row.

    Each event is a dict of `str` by column; the context has the `filename`. A cell that is
    missing is `None`, the cells of a row that has too many are a list under the key `None`.
    Empty rows are passed over. A row that cannot be read is rejected, and the next is read.

    Args:
        app: the application.
        pipeline: the pipeline it belongs to.
        fieldnames: names of the columns; where there are none, the first row of each file.
        id: names it within the pipeline.
        config: options that override all others.
    """

    OptionsClass: ClassVar[type[Options]] = FileCSVSourceOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        fieldnames: Sequence[str] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.FieldNames = None if fieldnames is None else list(fieldnames)

    async def read(self, filename: str, f: IO[Any]) -> None:
        lines = LineReader(f, self.Options.max_line)
        broken: list[tuple[int, str, str]] = []
        rows = self._rows(lines, broken)
        while events := await asyncio.to_thread(lines.collect, rows):
            self._reject_all(filename, lines, broken)
            await self.Pipeline.process_many(events, [{"filename": filename} for _ in events])
        self._reject_all(filename, lines, broken)

    def _rows(
        self, lines: LineReader, broken: list[tuple[int, str, str]]
    ) -> Iterator[dict[Any, Any]]:
        try:
            reader = csv.reader(lines, **dialect_of(self.Options))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{self.locate_address()}: {error}") from error
        names = self.FieldNames
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                broken.append((reader.line_num, str(error), lines.last))
                continue
            if not row:
                continue
            if names is None:
                names = row
            else:
                yield _event(names, row)

    def _reject_all(
        self, filename: str, lines: LineReader, broken: list[tuple[int, str, str]]
    ) -> None:
        self.reject_long(filename, lines)
        for line_number, reason, line in broken:
            error = RejectedError(f"{filename}:{line_number}: expected a row of cells: {reason}")
            context = {"filename": filename, "line_number": line_number}
            self.Pipeline.reject([(context, line)], error, self)
        broken.clear()


def _event(names: list[str], row: list[str]) -> dict[Any, Any]:
    event: dict[Any, Any] = dict(zip(names, row, strict=False))
    if len(row) > len(names):
        event[None] = row[len(names) :]
    elif len(row) < len(names):
        event.update(dict.fromkeys(names[len(row) :]))
    return event
