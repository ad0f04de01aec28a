"""A file of records that is whole whenever the process or the machine stops."""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

from bspump.abc.durable import sync_directory
from bspump.abc.errors import ConfigError

_MAGIC = b"bspump matrix 1\n"
_HEAD = Struct("<QI")
_ROOM_BYTES = 1 << 20


class Journal:
    """Records one behind the other; the first one is complete, each other a change.

    When all of it has become more than twice as long as its first record, it wants to be
    written anew. A record that a crash has cut is as if it had never been written.

    Args:
        folder: where it is; it is made where it is missing. One journal at a time may use it.
        owner: for errors.

    Raises:
        ConfigError: another one uses the folder, or it cannot be used.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self.path = folder / "matrix.log"
        self._owner = owner
        self._size_bytes = self._first_bytes = 0
        self._is_damaged = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock_fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"{owner}: the folder {folder} cannot be used: {error}") from error
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise ConfigError(
                f"{owner}: the folder {folder} is used by another matrix or process\n"
                "  what to do: give each its own `path`"
            ) from error

    def close(self) -> None:
        """Let others use the folder. Twice is fine."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def __del__(self) -> None:
        if hasattr(self, "_lock_fd"):
            self.close()

    def read(self) -> list[bytes]:
        """Return all records; none where there is no file yet.

        Raises:
            ConfigError: it is no journal, or damaged in the middle.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unreadable(str(error)) from error
        if not data.startswith(_MAGIC):
            raise self._unreadable("it does not begin as a matrix does")
        records, end = [], len(_MAGIC)
        for record in self._split(data):
            records.append(record)
            end += _HEAD.size + len(record)
        if not records:
            raise self._unreadable("its first record is damaged")
        self._size_bytes, self._first_bytes = end, len(records[0])
        if end < len(data):
            with self.path.open("r+b") as file:
                file.truncate(end)
        return records

    def _split(self, data: bytes) -> Iterator[bytes]:
        begin = len(_MAGIC)
        while begin + _HEAD.size <= len(data):
            size, checksum = _HEAD.unpack_from(data, begin)
            begin += _HEAD.size
            record = data[begin : begin + size]
            begin += size
            if len(record) < size:
                return
            if zlib.crc32(record) != checksum:
                # A write that a power failure cut may be as long as it should be, but only there.
                if begin < len(data):
                    raise self._unreadable("a record in the middle is damaged")
                return
            yield record

    def wants_all(self) -> bool:
        """Tell whether the next record has to be complete."""
        is_long = self._size_bytes > 2 * self._first_bytes + _ROOM_BYTES
        return is_long or self._is_damaged or not self._size_bytes

    def write(self, record: bytes, *, is_complete: bool) -> None:
        """Write a record; it is durable when this returns.

        Raises:
            OSError: it is not. The next record has to be complete.
        """
        framed = _HEAD.pack(len(record), zlib.crc32(record)) + record
        try:
            if is_complete:
                self._replace(_MAGIC + framed)
                self._first_bytes, self._is_damaged = len(record), False
            else:
                self._append(framed)
        except OSError:
            self._is_damaged = True
            raise

    def _replace(self, data: bytes) -> None:
        part = self.path.with_name(f"{self.path.name}.part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)
        sync_directory(self.path.parent)
        self._size_bytes = len(data)

    def _append(self, framed: bytes) -> None:
        if self._is_damaged:
            raise OSError(f"{self.path}: the change before was not written")
        with self.path.open("ab") as file:
            file.write(framed)
            file.flush()
            os.fsync(file.fileno())
        self._size_bytes += len(framed)

    def _unreadable(self, why: str) -> ConfigError:
        return ConfigError(
            f"{self._owner}: the file {self.path} cannot be read: {why}\n"
            "  what to do: bring back a copy of it, or move it away to begin anew"
        )
