"""Records in a segment file: how they are written, and read although some are damaged.

A record is two bytes by which it is found, a CRC-32 of the rest, its length, its number, and its
bytes. Numbers have no gaps, so where a record is damaged it is known how many are lost.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

_MAGIC = b"\xb5\x01"
_HEAD = struct.Struct(">2sIIQ")
_CHECKED_HEAD = struct.Struct(">IQ")
_CRC = struct.Struct(">I")
_CHECKED_FROM = 6
_SEARCH_BYTES = 1024 * 1024

HEAD_BYTES = _HEAD.size
"""What a record takes in addition to its own bytes."""


class Damage(NamedTuple):
    """What could not be read: file, first byte, how many bytes, and records lost with them."""

    path: str
    offset: int
    size_bytes: int
    lost: int


class Piece(NamedTuple):
    """What was read: records, the number and the offset of what follows, what was skipped."""

    records: list[bytes]
    number: int
    offset: int
    damages: list[Damage]


def pack(first: int, records: Iterable[bytes]) -> bytes:
    """Return records, numbered from `first` on, as they stand in the file."""
    parts: list[bytes] = []
    for number, record in enumerate(records, first):
        checked = _CHECKED_HEAD.pack(len(record), number) + record
        parts += (_MAGIC, _CRC.pack(crc32(checked)), checked)
    return b"".join(parts)


class SegmentReader:
    """Reads the records of one file.

    Args:
        fd: of the file.
        path: of the file, for reports.
        size: bytes of it that are valid now.
        end: number of the record that follows the last one in it; `None` if that is not known.
    """

    def __init__(self, fd: int, path: str, size: int, end: int | None) -> None:
        self._fd, self._path, self._size = fd, path, size
        self._end = end

    def read(
        self, number: int, offset: int, *, first: int, max_records: int, max_bytes: int
    ) -> Piece:
        """Read records from an offset on.

        Args:
            number: of the record that is expected there.
            offset: where to begin.
            first: number of the first record that is wanted; those before it are passed over.
            max_records: records at the most.
            max_bytes: bytes of records, about; at least one is returned whatever its length.
        """
        records: list[bytes] = []
        damages: list[Damage] = []
        block = _Block(self._fd, self._size, max_bytes)
        taken = 0
        while offset < self._size and len(records) < max_records and taken < max_bytes:
            if number == self._end:
                # What follows was to be cut off when writing it failed; its numbers are others'.
                offset = self._size
                break
            found = block.record_at(offset)
            if found is None or found[0] < number:
                at, following = self._next_valid(offset, number)
                found = None
            else:
                at, following = offset, found[0]
            if at > offset or following > max(number, first):
                lost = max(0, following - max(number, first))
                damages.append(Damage(self._path, offset, at - offset, lost))
            number, offset = following, at
            if found is not None:
                number += 1
                offset += HEAD_BYTES + len(found[1])
                if number > first:
                    records.append(found[1])
                    taken += HEAD_BYTES + len(found[1])
        if offset >= self._size and self._end is not None and number < self._end:
            if self._end > first:
                lost = self._end - max(number, first)
                damages.append(Damage(self._path, offset, 0, lost))
            number = self._end
        return Piece(records, number, offset, damages)

    def _next_valid(self, damaged: int, number: int) -> tuple[int, int]:
        """Return offset and number of the next valid record; at the end there is none."""
        offset = damaged + 1
        while offset < self._size:
            data = os.pread(self._fd, _SEARCH_BYTES, offset)
            at = data.find(_MAGIC)
            while at >= 0:
                found = _Block(self._fd, self._size, HEAD_BYTES).record_at(offset + at)
                if found is not None and found[0] >= number:
                    return offset + at, found[0]
                at = data.find(_MAGIC, at + 1)
            # The two bytes may lie on both sides of the cut.
            offset += max(1, len(data) - 1)
        return self._size, number if self._end is None else max(number, self._end)


class _Block:
    """Bytes of the file, read ahead."""

    def __init__(self, fd: int, size: int, ahead_bytes: int) -> None:
        self._fd, self._size, self._ahead_bytes = fd, size, ahead_bytes
        self._start, self._data = 0, b""

    def record_at(self, offset: int) -> tuple[int, bytes] | None:
        """Return number and bytes of the record at an offset; `None` where none is valid."""
        head = self._bytes(offset, HEAD_BYTES)
        if len(head) < HEAD_BYTES:
            return None
        magic, checksum, length, number = _HEAD.unpack(head)
        size = HEAD_BYTES + length
        if magic != _MAGIC or offset + size > self._size:
            return None
        whole = self._bytes(offset, size)
        if len(whole) < size or crc32(memoryview(whole)[_CHECKED_FROM:]) != checksum:
            return None
        return number, whole[HEAD_BYTES:]

    def _bytes(self, offset: int, count: int) -> bytes:
        at = offset - self._start
        if at < 0 or at + count > len(self._data):
            wanted = max(count, self._ahead_bytes)
            self._data = os.pread(self._fd, min(wanted, self._size - offset), offset)
            self._start, at = offset, 0
        return self._data[at : at + count]
