"""Files as lines, and as groups of lines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from bspump.abc.contexts import Copies
from bspump.abc.errors import RejectedError

from .abc_source import FileABCSource
from .lines import LineReader

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class FileLineSource(FileABCSource):
    r"""Read files line by line.

    Each event is a line as the file has it, with its newline: `bytes`, or `str` with `mode=r`.
    The context has the `filename`. A line longer than `max_line` is rejected.
    """

    async def read(self, filename: str, f: IO[Any]) -> None:
        lines = LineReader(f, self.Options.max_line)
        while events := await asyncio.to_thread(lines.take):
            self.reject_long(filename, lines)
            await self.Pipeline.process_many(events, Copies({"filename": filename}, len(events)))
        self.reject_long(filename, lines)

    def reject_long(self, filename: str, lines: LineReader) -> None:
        """Set aside the beginnings of the lines that were too long."""
        for start in lines.take_too_long():
            error = RejectedError(
                f"{filename}: expected lines of at most {self.Options.max_line} bytes, "
                f"got a longer one that begins with {start!r}\n"
                f"  what to do: raise `max_line` of {self.Id!r}"
            )
            self.Pipeline.reject([({"filename": filename}, start)], error, self)


class FileMultiLineSource(FileLineSource):
    """Read files by groups of lines.

    A line that begins with `separator` begins an event, which is all lines up to the next such
    line, as the file has them: joined together, the events of a file are the file. The context
    has the `filename`. An event longer than `max_line` is cut there.

    Args:
        app: the application.
        pipeline: the pipeline it belongs to.
        separator: text or bytes; `mode` decides what is compared.
        id: names it within the pipeline.
        config: options that override all others.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        separator: str | bytes,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Separator = separator

    async def read(self, filename: str, f: IO[Any]) -> None:
        lines = LineReader(f, self.Options.max_line)
        groups = self._groups(lines)
        while events := await asyncio.to_thread(lines.collect, groups):
            self.reject_long(filename, lines)
            await self.Pipeline.process_many(events, Copies({"filename": filename}, len(events)))
        self.reject_long(filename, lines)

    def _groups(self, lines: LineReader) -> Iterator[Any]:
        separator = self._separator()
        group: list[Any] = []
        size = 0
        for line in lines:
            if group and (line.startswith(separator) or size + len(line) > self.Options.max_line):
                yield line[:0].join(group)
                group, size = [], 0
            group.append(line)
            size += len(line)
        if group:
            yield group[0][:0].join(group)

    def _separator(self) -> str | bytes:
        encoding = self.Options.encoding or "utf-8"
        if "b" in self.Options.mode and isinstance(self.Separator, str):
            return self.Separator.encode(encoding)
        if "b" not in self.Options.mode and isinstance(self.Separator, bytes):
            return self.Separator.decode(encoding)
        return self.Separator
