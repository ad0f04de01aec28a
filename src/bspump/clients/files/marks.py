"""How far a file was read, and how it is recognised again: under another name, after a restart.

A path says little: logs are renamed, truncated and copied away while they are read. An inode
says more, but it is used again. So a mark also keeps checksums of the first bytes and of those
before its offset: a file *continues* a mark if both are still there.
"""

from __future__ import annotations

import os
import zlib
from typing import Final, TypedDict

HEAD_BYTES: Final = 1024
TAIL_BYTES: Final = 256


class Mark(TypedDict):
    """Plain data: part of a position, and so of a checkpoint. Replaced, never changed."""

    path: str
    device: int
    inode: int
    offset: int
    head: int
    head_bytes: int
    tail: int
    is_skipping: bool
    """The line at `offset` is too long, and is passed over up to its end."""


def file_key(found: os.stat_result) -> str:
    """Return what names a file while it exists, whatever its path."""
    return f"{found.st_dev}:{found.st_ino}"


def new_mark(path: str, found: os.stat_result) -> Mark:
    """Return the mark of a file of which nothing has been read."""
    return Mark(
        path=path,
        device=found.st_dev,
        inode=found.st_ino,
        offset=0,
        head=0,
        head_bytes=0,
        tail=0,
        is_skipping=False,
    )


def advance(mark: Mark, fd: int, offset: int, *, is_skipping: bool = False) -> Mark:
    """Return `mark` moved to `offset` of the file that is open as `fd`."""
    head, head_bytes = mark["head"], mark["head_bytes"]
    if head_bytes < HEAD_BYTES and head_bytes < offset:
        start = os.pread(fd, min(HEAD_BYTES, offset), 0)
        head, head_bytes = zlib.crc32(start), len(start)
    return Mark(
        path=mark["path"],
        device=mark["device"],
        inode=mark["inode"],
        offset=offset,
        head=head,
        head_bytes=head_bytes,
        tail=_tail(fd, offset),
        is_skipping=is_skipping,
    )


def continues(mark: Mark, fd: int) -> bool:
    """Tell whether the file that is open as `fd` still has, or has a copy of, what was read."""
    if os.fstat(fd).st_size < mark["offset"]:
        return False
    start = os.pread(fd, mark["head_bytes"], 0)
    return zlib.crc32(start) == mark["head"] and _tail(fd, mark["offset"]) == mark["tail"]


def _tail(fd: int, offset: int) -> int:
    start = max(0, offset - TAIL_BYTES)
    return zlib.crc32(os.pread(fd, offset - start, start))
