"""Lines of an open file, some at a time, however long one of them may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

TAKE_BYTES = 1 << 18
TAKE_COUNT = 1000


class LineReader:
    """Reads lines as the file has them, with their ends, from a file of bytes or of text.

    A line longer than `max_line` is passed over; its beginning is kept in `too_long`.

    Args:
        file: to be read, from where it stands.
        max_line: bytes or characters, with the end of the line.

    Attributes:
        last: the line read last.
        too_long: the first 100 bytes or characters of the lines passed over since the last
            `take_too_long`.
    """

    def __init__(self, file: IO[Any], max_line: int) -> None:
        self._file = file
        self._max_line = max_line
        self._size = 0
        self.last: Any = None
        self.too_long: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        """Yield line by line."""
        readline, limit = self._file.readline, self._max_line + 1
        while line := readline(limit):
            if len(line) < limit:
                self._size += len(line)
                self.last = line
                yield line
                continue
            self.too_long.append(line[:100])
            ends: Any = ("\n", "\r") if isinstance(line, str) else b"\n"
            while len(line) == limit and not line.endswith(ends):
                line = readline(limit)
                self._size += len(line)

    def take(self) -> list[Any]:
        """Return about a block of lines, a thousand at most; none at the end of the file."""
        return self.collect(self)

    def collect(self, items: Iterator[Any] | Any) -> list[Any]:
        """Return about a block of what `items` makes of the lines, a thousand at most."""
        taken = []
        self._size = 0
        for item in items:
            taken.append(item)
            if len(taken) == TAKE_COUNT or self._size >= TAKE_BYTES:
                break
        return taken

    def take_too_long(self) -> list[Any]:
        """Return the beginnings of the lines that were passed over, and forget them."""
        taken, self.too_long = self.too_long, []
        return taken
