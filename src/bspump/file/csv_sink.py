"""Events as rows of CSV files."""

from __future__ import annotations

import asyncio
import csv
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.errors import ConfigError, PartialWriteError, RejectedError, TransientError
from bspump.abc.options import Options
from bspump.abc.sink import Batch, BatchSink, BatchSinkOptions
from bspump.clients.files.output import OutputFile
from bspump.clients.files.problems import transient_problem

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

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

_OPEN_FILES = 16


class FileCSVSinkOptions(BatchSinkOptions, frozen=True, kw_only=True):
    """What a sink of CSV files can be told."""

    path: Annotated[str, Meta(description="The file, unless the context has a `path`.")] = ""
    dialect: Dialect = "excel"
    delimiter: Delimiter = ","
    doublequote: DoubleQuote = True
    escapechar: EscapeCharacter = ""
    lineterminator: LineTerminator = os.linesep
    quotechar: QuoteCharacter = '"'
    quoting: CellQuoting = 0
    skipinitialspace: SkipInitialSpace = False
    strict: Strict = False
    encoding: Annotated[str, Meta(description="Of the text; empty means UTF-8.")] = ""


class FileCSVSink(BatchSink[FileCSVSinkOptions]):
    """Write dicts as rows of CSV files.

    A row goes to the file that the context names as `path`, else to the option `path`. The
    columns of a file are the keys of its first event, which are its first row; a file that
    exists keeps its columns and is continued. Missing keys are empty cells; an event with a key
    that is no column is rejected.

    Rows are on the disk before they are acknowledged, so they are written at least once. A crash
    may leave a torn row at the end, which the next start ends.
    """

    OptionsClass: ClassVar[type[Options]] = FileCSVSinkOptions
    Options: FileCSVSinkOptions
    Capabilities: ClassVar[Can] = Can.PARTIAL

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._files: dict[str, CSVFile] = {}
        self._lock = threading.Lock()
        self._is_rotating = False

    def rotate(self) -> None:
        """Close the files; the next event opens one again, under the path it then names."""
        self._is_rotating = True

    async def connect(self) -> None:
        try:
            csv.writer(_Echo(), **dialect_of(self.Options))
            "".encode(self.Options.encoding or "utf-8")
        except (TypeError, ValueError, LookupError) as error:
            raise ConfigError(f"{self.locate_address()}: {error}") from error

    async def write(self, batch: Batch, /) -> None:
        if self._is_rotating:
            await self.close()
        errors: dict[int, TransientError | RejectedError] = {}
        for path, indexes in self._by_path(batch, errors).items():
            events = [batch.events[i] for i in indexes]
            try:
                rejected = await asyncio.to_thread(self._write_rows, path, events)
            except OSError as error:
                errors |= dict.fromkeys(indexes, transient_problem(error, f"write to {path!r}"))
                continue
            self._files[path].confirm()
            errors |= {indexes[i]: error for i, error in rejected.items()}
        if errors:
            raise PartialWriteError(errors)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _by_path(
        self, batch: Batch, errors: dict[int, TransientError | RejectedError]
    ) -> dict[str, list[int]]:
        paths: dict[str, list[int]] = {}
        for i, context in enumerate(batch.contexts):
            path = str(context.get("path") or self.Config["path"])
            if not path:
                errors[i] = RejectedError(
                    f"{self.locate_address()}: expected a `path` in the context or the "
                    f"configuration, got none"
                )
            elif not isinstance(batch.events[i], dict):
                got = type(batch.events[i]).__name__
                errors[i] = RejectedError(f"{self.locate_address()}: expected a dict, got {got}")
            else:
                paths.setdefault(path, []).append(i)
        return paths

    def _write_rows(self, path: str, events: list[dict[Any, Any]]) -> dict[int, RejectedError]:
        with self._lock:
            file = self._files.pop(path, None)
            while len(self._files) >= _OPEN_FILES:
                self._files.pop(next(iter(self._files))).close()
            if file is None:
                encoding = self.Options.encoding or "utf-8"
                file = CSVFile(Path(path), dialect_of(self.Options), encoding)
            self._files[path] = file
            return file.append(events)

    def _close(self) -> None:
        with self._lock:
            self._is_rotating = False
            while self._files:
                self._files.popitem()[1].close()


class _Echo:
    """A file whose `write` gives the text back, so that `writerow` returns the row."""

    def write(self, text: str, /) -> str:
        return text


class CSVFile:
    """One CSV file that is being written. What is not confirmed is cut off by the next step.

    Args:
        path: of the file.
        dialect: keyword arguments of `csv.writer`.
        encoding: of the text.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, dialect: dict[str, Any], encoding: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = OutputFile.extend(path)
        if file is None:
            raise BlockingIOError(None, "another sink is writing it")
        self._file, self._path = file, path
        self._dialect, self._encoding = dialect, encoding
        self._columns: list[Any] = []
        if file.size_bytes:
            with path.open(encoding=encoding, newline="") as content:
                self._columns = next(csv.reader(content, **dialect), [])
            if file.last_byte() not in b"\r\n":
                file.append(dialect["lineterminator"].encode(encoding))
                file.confirm()
        self._put_columns = self._columns

    def append(self, events: list[dict[Any, Any]]) -> dict[int, RejectedError]:
        """Write a row for each event; return by index those that cannot be written."""
        columns = self._columns or list(events[0])
        rows = csv.writer(_Echo(), **self._dialect)
        writer = csv.DictWriter(_Echo(), columns, **self._dialect)
        lines: list[bytes] = []
        rejected: dict[int, RejectedError] = {}
        try:
            if not self._columns:
                lines.append(self._encode(rows.writerow(columns)))
            for i, event in enumerate(events):
                try:
                    lines.append(self._encode(writer.writerow(event)))
                except (ValueError, csv.Error) as error:
                    rejected[i] = RejectedError(f"{self._path}: {error}")
        except (ValueError, csv.Error) as error:
            reason = RejectedError(f"{self._path}: these columns cannot be written: {error}")
            return dict.fromkeys(range(len(events)), reason)
        mark = b"" if self._file.size_bytes else "".encode(self._encoding)
        self._file.append(mark + b"".join(lines))
        self._put_columns = columns
        return rejected

    def _encode(self, row: Any) -> bytes:
        """Return the text as bytes, without the mark that some encodings put in front."""
        return str(row).encode(self._encoding)[len("".encode(self._encoding)) :]

    def confirm(self) -> None:
        """Let what was appended count."""
        self._columns = self._put_columns
        self._file.confirm()

    def close(self) -> None:
        """Make the file durable and close it."""
        self._file.prepare()
