"""One open file, plain or compressed, that is read by offsets of its content."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

from bspump.abc.errors import RejectedError
from bspump.clients.files.blocks import pread_cached, read_ahead
from bspump.clients.files.marks import HEAD_BYTES, Mark, advance, continues
from bspump.formats.compression import by_extension

from .opening import DecompressedFile

_SKIP_BYTES = 1 << 18


class BlockFile:
    """A file that is open for reading. `pread` and `pread_cached` are like `os.pread`.

    Attributes:
        path: where it is.
        stat: what it was like when it was opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = io.FileIO(path, "rb")
        self.fd = self._file.fileno()
        self.stat = os.fstat(self.fd)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Return up to `size` bytes of the content at `offset`, none behind its end."""
        return os.pread(fd, size, offset)

    def pread_cached(self, fd: int, size: int, offset: int) -> bytes:
        """Do the same, or raise BlockingIOError if that takes more than a moment."""
        data = pread_cached(fd, size, offset)
        read_ahead(fd, offset + size, 2 * size)
        return data

    def is_end(self, offset: int) -> bool:
        """Tell whether the content ends at `offset`."""
        return os.fstat(self.fd).st_size <= offset

    def consumed_bytes(self, offset: int) -> int:
        """Return how much of the file was read to get to `offset` of its content."""
        return offset

    def continues(self, mark: Mark) -> bool:
        """Tell whether the file has what was read of it when `mark` was made."""
        return continues(mark, self.fd)

    def advance(self, mark: Mark, offset: int, *, is_skipping: bool) -> Mark:
        """Return `mark` moved to `offset` of the content."""
        return advance(mark, self.fd, offset, is_skipping=is_skipping)


class CompressedBlockFile(BlockFile):
    """A compressed file. To go back it begins anew, so going back is slow.

    Args:
        path: where it is.
        compression: by its name.
    """

    def __init__(self, path: str, compression: str) -> None:
        super().__init__(path)
        self._compression = compression
        self._content = DecompressedFile(path, compression)
        # A part of the content from `_start` on: blocks overlap where a line is unfinished.
        self._window = b""
        self._start = 0

    def close(self) -> None:
        self._content.close()
        super().close()

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        if offset < self._start:
            self._content.close()
            self._content = DecompressedFile(self.path, self._compression)
            self._window, self._start = b"", 0
        while self._start + len(self._window) < offset:
            self._start += len(self._window)
            self._window = self._content.read(_SKIP_BYTES) or b""
            if not self._window:
                return b""
        parts = [self._window[offset - self._start :]]
        have = len(parts[0])
        try:
            while have < size and (part := self._content.read(size - have)):
                parts.append(part)
                have += len(part)
        except RejectedError:
            # What came before is good; the error comes again when that is used up.
            if not have:
                raise
        self._window, self._start = b"".join(parts), offset
        return self._window[:size]

    def pread_cached(self, fd: int, size: int, offset: int) -> bytes:
        raise BlockingIOError

    def is_end(self, offset: int) -> bool:
        try:
            return not self.pread(self.fd, 1, offset)
        except RejectedError:
            return False

    def consumed_bytes(self, offset: int) -> int:
        return self._content.consumed_bytes

    def continues(self, mark: Mark) -> bool:
        head = os.pread(self.fd, mark["head_bytes"], 0)
        return zlib.crc32(head) == mark["head"] and len(head) == mark["head_bytes"]

    def advance(self, mark: Mark, offset: int, *, is_skipping: bool) -> Mark:
        head = os.pread(self.fd, HEAD_BYTES, 0)
        return Mark(
            path=mark["path"],
            device=mark["device"],
            inode=mark["inode"],
            offset=offset,
            head=zlib.crc32(head),
            head_bytes=len(head),
            tail=0,
            is_skipping=is_skipping,
        )


def open_block_file(path: str) -> BlockFile:
    """Open a file, decompressed as the extension of its name tells."""
    compression = by_extension(Path(path))
    return BlockFile(path) if compression == "none" else CompressedBlockFile(path, compression)
