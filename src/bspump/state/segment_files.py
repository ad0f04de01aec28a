"""The files of a segment log. All of this blocks, and is used by one thread."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from bspump.abc.disk_buffer import DiskBufferOptions
from bspump.abc.durable import sync_directory

from .durable import make_directory
from .lock import ProcessLock
from .segments import Damage, SegmentReader, pack

_SUFFIX = ".segment"
_PATTERN = "[0-9]" * 20 + _SUFFIX
_WHOLE_FILE = 2**63 - 1
_SCAN_BYTES = 1024 * 1024


@dataclass(slots=True)
class _Segment:
    """A file with the records from `first` to before `end`, in its first `size` bytes."""

    path: Path
    first: int
    end: int
    size: int


class LogBlock(NamedTuple):
    """What one read returned.

    Args:
        records: in their order.
        position: where to read on. If it is where the read began, there is nothing more now.
        dropped: records before them that were dropped to make room, or whose file is gone.
        damages: what of the files could not be read; the lost records are counted there.
    """

    records: Sequence[bytes]
    position: int
    dropped: int = 0
    damages: Sequence[Damage] = ()


class SegmentFiles:
    """Writes and reads the files of a log.

    Attributes:
        end: position behind the last record that may be read.
        size_bytes: of all files.
        dropped: records that were dropped since it was opened.
    """

    def __init__(self, directory: Path, options: DiskBufferOptions) -> None:
        self._directory, self._options = directory, options
        self._segment_bytes = max(1, min(options.segment_bytes, options.max_bytes // 4))
        self._lock = ProcessLock(directory / "lock", str(directory))
        self._segments: list[_Segment] = []
        self._fd = -1
        self._cursor: tuple[_Segment, int, int] | None = None
        self._is_dirty = self._is_spoiled = False
        self.end = self.size_bytes = self.dropped = self.acknowledged = 0

    @property
    def begin(self) -> int:
        """Position of the oldest record."""
        return self._segments[0].first if self._segments else self.end

    @property
    def first_end(self) -> int:
        """Position behind the oldest file: when it is acknowledged, something can be removed."""
        return self._segments[0].end if self._segments else self.end

    @property
    def is_dirty(self) -> bool:
        """Tell whether something was written that is not known to be on the disk."""
        return self._is_dirty

    def open(self, position: int) -> int:
        """Open the log, and cut off what was not written completely; return how many bytes.

        Raises:
            ConfigError: another process uses it.
            OSError: it cannot be read or written.
        """
        make_directory(self._directory)
        self._lock.acquire()
        self._segments = self._found()
        cut_bytes = self._repair_last() if self._segments else 0
        self.size_bytes = sum(segment.size for segment in self._segments)
        self.end = self._segments[-1].end if self._segments else 0
        # Numbers that were handed out are not used again, even if their records are gone.
        self.acknowledged = self.begin
        if position > self.end or not self._segments:
            self.end = max(self.end, position)
            self._start(self.end)
        return cut_bytes

    def write(self, batches: Sequence[Sequence[bytes]]) -> int:
        """Write batches, and see to it that they are durable as the options say; return the end.

        Raises:
            OSError: none of them was written.
        """
        start = self.end
        number = start
        with self._undone_on_error():
            for records in batches:
                data = pack(number, records)
                segment = self._segment_for(len(data), number)
                self._is_dirty = True
                _write_all(self._fd, data)
                number += len(records)
                segment.end, segment.size = number, segment.size + len(data)
                self.size_bytes += len(data)
            if self._options.fsync == "always":
                self.sync()
        self.end = number
        return number

    def sync(self) -> None:
        """Make what was written durable. Raises OSError if that is not certain."""
        try:
            if self._is_dirty and self._fd >= 0:
                os.fsync(self._fd)
        except OSError:
            # Nobody knows what of the file is on the disk: it is not written any more.
            self._is_spoiled = True
            raise
        finally:
            self._is_dirty = False

    def read(self, position: int | None, max_records: int, max_bytes: int) -> LogBlock:
        """Read records from a position on."""
        at, dropped = self.begin if position is None else position, 0
        damages: list[Damage] = []
        for segment in self._segments:
            if segment.end <= at:
                continue
            if segment.first > at:
                dropped += segment.first - at
                at = segment.first
            records, at = self._read_segment(segment, at, max_records, max_bytes, damages)
            if records:
                return LogBlock(records, at, dropped, damages)
        return LogBlock([], at, dropped, damages)

    def release(self, position: int, *, is_room_wanted: bool) -> None:
        """Remove files of which all is acknowledged; the one in use only if room is wanted."""
        self.acknowledged = max(self.acknowledged, position)
        if is_room_wanted and self._segments[-1].end <= position and self._segments[-1].size:
            self._start(self.end)
        while len(self._segments) > 1 and self._segments[0].end <= position:
            self._remove_oldest()

    def close(self) -> None:
        """Close the files and give the lock back."""
        try:
            if self._options.fsync != "never":
                self.sync()
        finally:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1
            self._lock.release()

    def _found(self) -> list[_Segment]:
        firsts = sorted(int(path.stem) for path in self._directory.glob(_PATTERN))
        found = [_Segment(self._path(n), n, n, self._path(n).stat().st_size) for n in firsts]
        for segment, following in pairwise(found):
            segment.end = following.first
        return found

    def _path(self, first: int) -> Path:
        return self._directory / f"{first:020}{_SUFFIX}"

    def _repair_last(self) -> int:
        """Find the end of the last file and cut off what follows; return how many bytes."""
        last = self._segments[-1]
        number, offset, valid = last.first, 0, 0
        fd = os.open(last.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            reader = SegmentReader(fd, str(last.path), last.size, None)
            while offset < last.size:
                piece = reader.read(
                    number, offset, first=number, max_records=_WHOLE_FILE, max_bytes=_SCAN_BYTES
                )
                number, offset = piece.number, piece.offset
                if piece.records:
                    ends_in_damage = piece.damages and _reaches(piece.damages[-1], offset)
                    valid = piece.damages[-1].offset if ends_in_damage else offset
            last.end, cut_bytes = number, last.size - valid
            if cut_bytes:
                os.ftruncate(fd, valid)
                os.fsync(fd)
            last.size = valid
        finally:
            os.close(fd)
        return cut_bytes

    def _segment_for(self, size: int, number: int) -> _Segment:
        """Return the file to which a batch goes; make room for it where it may be made."""
        last = self._segments[-1]
        if last.size >= self._segment_bytes or self._is_spoiled:
            self._start(number)
        elif self._fd < 0:
            self._fd = self._opened(last.path)
        if self._options.when_full == "drop_oldest":
            self._drop_for(size, number)
        return self._segments[-1]

    def _drop_for(self, size: int, number: int) -> None:
        while self.size_bytes and self.size_bytes + size > self._options.max_bytes:
            if len(self._segments) == 1:
                self._start(number)
            oldest = self._segments[0]
            self.dropped += max(0, oldest.end - max(oldest.first, self.acknowledged))
            self._remove_oldest()

    def _start(self, number: int) -> None:
        """Leave the file in use, and begin one whose first record has this number."""
        if self._fd >= 0:
            try:
                if self._options.fsync != "never":
                    self.sync()
            finally:
                os.close(self._fd)
                self._fd = -1
        if self._segments and self._segments[-1].first == self._segments[-1].end:
            self._remove(self._segments.pop())
        self._fd = self._opened(self._path(number))
        self._segments.append(_Segment(self._path(number), number, number, 0))
        self._is_spoiled = False
        if self._options.fsync != "never":
            sync_directory(self._directory)

    def _opened(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _remove_oldest(self) -> None:
        self._remove(self._segments.pop(0))

    def _remove(self, segment: _Segment) -> None:
        if self._cursor is not None and self._cursor[0] is segment:
            self._cursor = None
        self.size_bytes -= segment.size
        segment.path.unlink(missing_ok=True)

    @contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        """Take back what the block has written if it fails, and never write to that file again."""
        last = self._segments[-1]
        end, size = last.end, last.size
        try:
            yield
        except BaseException:
            self._is_spoiled, self._is_dirty = True, False
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
            while len(self._segments) > 1 and self._segments[-1].first >= self.end:
                self._remove(self._segments.pop())
            if self._segments[-1] is last:
                self.size_bytes -= last.size - size
                last.end, last.size = end, size
                os.truncate(last.path, size)
            raise

    def _read_segment(
        self, segment: _Segment, at: int, max_records: int, max_bytes: int, damages: list[Damage]
    ) -> tuple[Sequence[bytes], int]:
        """Read records of one file; return them and where to read on."""
        number, offset = segment.first, 0
        if self._cursor is not None and self._cursor[0] is segment and self._cursor[1] <= at:
            _, number, offset = self._cursor
        fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            reader = SegmentReader(fd, str(segment.path), segment.size, segment.end)
            while True:
                piece = reader.read(
                    number, offset, first=at, max_records=max_records, max_bytes=max_bytes
                )
                number, offset = piece.number, piece.offset
                damages += piece.damages
                if piece.records or offset >= segment.size:
                    break
        finally:
            os.close(fd)
        self._cursor = segment, number, offset
        return piece.records, max(at, number)


def _reaches(damage: Damage, offset: int) -> bool:
    return damage.offset + damage.size_bytes >= offset


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
