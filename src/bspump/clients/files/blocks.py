r"""Whole lines from a file, a block at a time, by position.

Nothing is kept between two calls: a block is a function of the offset.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, NamedTuple

Pread = Callable[[int, int, int], bytes]
"""Like `os.pread(fd, size, offset)`."""

_NOWAIT: Final = getattr(os, "RWF_NOWAIT", None)


class Block(NamedTuple):
    r"""What one read found.

    Attributes:
        data: whole lines, each with its `\n`; the last one of a file may lack it.
        end: the offset behind them, where to read on.
        is_end: the file ends there, or nothing but an unfinished line follows.
        long_line: the beginning of a line that is too long. It is not in `data`.
        is_skipping: that line goes on at `end`.
    """

    data: bytes
    end: int
    is_end: bool = False
    long_line: bytes = b""
    is_skipping: bool = False


def read_block(
    fd: int,
    offset: int,
    block_bytes: int,
    max_line_bytes: int,
    *,
    is_skipping: bool = False,
    takes_rest: bool = False,
    pread: Pread = os.pread,
) -> Block:
    """Return the lines at `offset`, about `block_bytes` of them, of a file or the like.

    Args:
        fd: what `pread` takes.
        max_line_bytes: of one line, without its end. Blocks are not larger than that.
        is_skipping: a line that is too long goes on at `offset`: pass over the rest of it.
        takes_rest: an unfinished line at the end of the file is a line as well.
        pread: how to read.
    """
    size = min(block_bytes, max_line_bytes)
    data = pread(fd, size, offset)
    if is_skipping:
        cut = data.find(b"\n") + 1
        return Block(b"", offset + (cut or len(data)), not data, b"", is_skipping=not cut)
    cut = data.rfind(b"\n") + 1
    while not cut and data:
        # Twice as much each time, so that a long line is not copied too often.
        more = pread(fd, max(size, len(data)), offset + len(data))
        if not more:
            return Block(data, offset + len(data), True) if takes_rest else Block(b"", offset, True)
        start = len(data)
        data += more
        cut = data.rfind(b"\n") + 1
        first = data.find(b"\n", start)
        if (first if first >= 0 else len(data)) > max_line_bytes:
            end = offset + (first + 1 if first >= 0 else len(data))
            return Block(b"", end, False, data[:max_line_bytes], is_skipping=first < 0)
    return Block(data[:cut], offset + cut, not data)


def pread_cached(fd: int, size: int, offset: int) -> bytes:
    """Return what is in memory already; for a thread that must not wait for a disk.

    Raises:
        BlockingIOError: the disk must be asked, or the system cannot tell.
    """
    if _NOWAIT is None:
        raise BlockingIOError
    buffer = bytearray(size)
    try:
        count = os.preadv(fd, [buffer], offset, _NOWAIT)
    except BlockingIOError:
        raise
    except OSError as error:
        raise BlockingIOError from error
    return bytes(memoryview(buffer)[:count])


def read_ahead(fd: int, offset: int, size: int) -> None:
    """Ask the system to have these bytes in memory soon."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, offset, size, os.POSIX_FADV_WILLNEED)
