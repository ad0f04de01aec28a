"""Files of any compression, opened as if they had none."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from bspump.abc.errors import RejectedError
from bspump.formats.compression import by_extension, decompressor

_READ_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 18


class DecompressedFile(io.RawIOBase):
    """The content of a compressed file, from its beginning to its end.

    Reading raises `RejectedError` where the file is corrupt or ends too early.

    Args:
        path: of the file.
        compression: by its name.
    """

    def __init__(self, path: str | Path, compression: str) -> None:
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - `close` closes it
        self._decompressor = decompressor(compression, piece_bytes=_BUFFER_BYTES)
        self._pieces: Iterator[bytes] = iter(())
        self._piece = memoryview(b"")
        self._is_end = False
        self._failure: RejectedError | None = None

    def readable(self) -> bool:
        return True

    @property
    def consumed_bytes(self) -> int:
        """How much of the compressed file has been read."""
        return self._file.tell()

    def readinto(self, buffer: Any, /) -> int:
        while not self._piece:
            if self._failure is not None:
                raise self._failure
            if not self._advance():
                return 0
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def _advance(self) -> bool:
        """Go on by a piece, or by a part of the file; False at the end of the stream."""
        try:
            piece = next(self._pieces, None)
            if piece is not None:
                self._piece = memoryview(piece)
            elif self._is_end:
                return False
            elif data := self._file.read(_READ_BYTES):
                self._pieces = self._decompressor.feed(data)
            else:
                self._is_end = True
                self._decompressor.finish()
        except RejectedError as error:
            # Once it has lost its way the decompressor might take the rest for a new stream.
            self._failure = error
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


def open_file(
    path: str | Path,
    mode: str = "rb",
    *,
    filename: str | None = None,
    encoding: str = "",
    newline: str | None = None,
) -> IO[Any]:
    """Open a file for reading, decompressed as the extension of its name tells.

    Args:
        path: where it is.
        mode: with `b` for bytes, else for text.
        filename: the name that has the extension, if it is not that of `path`.
        encoding: of text; empty means UTF-8.
        newline: of text, as `open` takes it.
    """
    compression = by_extension(filename if filename is not None else path)
    is_plain = compression == "none"
    raw = io.FileIO(path, "rb") if is_plain else DecompressedFile(path, compression)
    buffered = io.BufferedReader(raw, _BUFFER_BYTES)
    if "b" in mode:
        return buffered
    return io.TextIOWrapper(buffered, encoding=encoding or "utf-8", newline=newline)
