"""The log behind a disk buffer: input that cannot be brought again, kept until it is processed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from bspump.abc.disk_buffer import DiskBufferOptions
from bspump.abc.errors import ConfigError, RejectedError, TransientError

from .segment_files import LogBlock, SegmentFiles
from .segments import HEAD_BYTES

T = TypeVar("T")

LONGEST_RECORD_BYTES = 2**32 - 1
"""Bytes of a record at the most."""


@dataclass(slots=True)
class _Batch:
    """Records on their way to the disk."""

    records: Sequence[bytes]
    end: int = -1
    error: Exception | None = None
    is_abandoned: bool = False


class LogStats(NamedTuple):
    """How full a log is, positions of its oldest record and of the next one, what was dropped."""

    size_bytes: int
    begin: int
    end: int
    dropped: int


class SegmentLog:
    """Appends records to files, reads them from a position, and removes what is acknowledged.

    A position is a number: that of a record. Appends that come at the same time are written
    and synchronised together, in a thread of the log's own. A crash of the program loses no
    record whose `append` has returned; a failure of power none with `fsync = always`, and those
    of the last `fsync_interval` seconds with `interval`. At the end of the last file a record
    that was not written completely is cut off when the log is opened. A damaged record elsewhere
    is passed over when it is read, and reported with its place and how many are lost; nothing
    that was undamaged is lost with it.

    Args:
        directory: of the files; it is made. One process at a time may use it.
        options: limits, and when what is written is durable.
    """

    def __init__(
        self,
        directory: str | Path,
        options: DiskBufferOptions = DiskBufferOptions(),  # noqa: B008 - it is frozen
    ) -> None:
        self._directory, self._options = Path(directory), options
        self._files = SegmentFiles(self._directory, options)
        self._executor: ThreadPoolExecutor | None = None
        self._queue: deque[_Batch] = deque()
        self._queued_bytes = 0
        self._entrance, self._changed = asyncio.Lock(), asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._sync_error: OSError | None = None

    async def open(self, position: int = 0) -> int:
        """Open the log; return how many bytes of an incomplete record were cut off.

        Args:
            position: where it will be read, from a checkpoint. What is appended gets positions
                from there on at the least, even if the files are gone or older.

        Raises:
            ConfigError: another process uses it, or it cannot be read or written.
        """
        if self._executor is not None:
            raise RuntimeError(f"{self._directory} is open already")
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="bspump-log")
        self._loop = asyncio.get_running_loop()
        self._files, self._sync_error = SegmentFiles(self._directory, self._options), None
        try:
            return await self._run(lambda: self._files.open(position))
        except OSError as error:
            await self.close()
            raise self._unusable(error) from error
        except ConfigError:
            await self.close()
            raise

    async def close(self) -> None:
        """Write what was appended, close the files, end the thread.

        Also after an `open` that was cancelled; twice is fine. Whoever waits for room is told
        that the log is closed.

        Raises:
            TransientError: it is closed, but what was written last may not be on the disk.
        """
        if self._executor is None:
            return
        executor, self._executor = self._executor, None
        if self._timer is not None:
            self._timer.cancel()
        closing = asyncio.get_running_loop().run_in_executor(executor, self._files.close)
        executor.shutdown(wait=False)
        self._changed.set()
        # Whoever cancels the wait does not cancel the work: the lock has to go.
        try:
            await asyncio.shield(closing)
        except OSError as error:
            raise self._transient(error) from error

    async def append(self, records: Sequence[bytes]) -> int:
        """Write records behind all others; return the position behind them.

        They are all written or none. When it is cancelled, either is possible. While the log is
        full and `when_full` is `block`, it waits, and appends are served in their order.

        Raises:
            RejectedError: they would not fit into an empty log.
            TransientError: they cannot be written now, for example because the disk is full;
                nothing was written. Or, with `interval`, what was written before may be lost
                in a failure of power, as the disk reported.
        """
        size = sum(map(len, records)) + HEAD_BYTES * len(records)
        longest = max(map(len, records), default=0)
        if size > self._options.max_bytes or longest > LONGEST_RECORD_BYTES:
            raise RejectedError(
                f"{self._directory}: {len(records)} records of {size} bytes can never fit into"
                f" {self._options.max_bytes} bytes"
            )
        if self._sync_error is not None:
            error, self._sync_error = self._sync_error, None
            raise self._transient(error) from error
        if self._options.when_full == "block":
            async with self._entrance:
                await self._wait_for_room(size)
                self._queued_bytes += size
        else:
            self._queued_bytes += size
        batch = _Batch(records)
        self._queue.append(batch)
        try:
            await self._run(self._write_queued)
        except BaseException:
            batch.is_abandoned = True
            raise
        finally:
            self._queued_bytes -= size
        return self._outcome(batch)

    def is_open(self) -> bool:
        """Tell whether it can be used."""
        return self._executor is not None

    def has_room(self, size_bytes: int = HEAD_BYTES) -> bool:
        """Tell whether `append` of so many bytes would not have to wait for room."""
        if self._options.when_full != "block":
            return True
        held_bytes = self._files.size_bytes + self._queued_bytes
        return held_bytes + size_bytes <= self._options.max_bytes

    async def wait_for_room(self) -> None:
        """Wait until something can be appended, after all who wait for the same.

        Raises:
            TransientError: what is acknowledged cannot be removed now.
        """
        if self._options.when_full == "block":
            async with self._entrance:
                await self._wait_for_room(HEAD_BYTES)

    async def read(
        self, position: int | None = None, *, max_records: int = 1000, max_bytes: int = 1024 * 1024
    ) -> LogBlock:
        """Return what comes after `position`; `None` is the oldest record that there is.

        Args:
            position: as it was returned by `append` or by a read.
            max_records: records at the most.
            max_bytes: bytes at the most, but at least one record.

        Raises:
            ValueError: the position is behind the end.
            TransientError: it cannot be read now.
        """
        if position is not None and not 0 <= position <= self._files.end:
            raise ValueError(f"{self._directory}: {position} is not within 0 to {self._files.end}")
        try:
            return await self._run(lambda: self._files.read(position, max_records, max_bytes))
        except OSError as error:
            raise self._transient(error) from error

    async def wait(self, position: int) -> None:
        """Wait until there is something to be read at `position`."""
        while self._files.end <= position:
            await self._wait_for_change()

    async def acknowledge(self, position: int) -> None:
        """Take note that everything before `position` is processed; whole files are removed.

        Raises:
            TransientError: they cannot be removed now; the next call tries again.
        """
        await self._release(min(position, self._files.end), is_room_wanted=False)

    async def trim(self) -> None:
        """Remove the file in use, too, if everything is acknowledged; numbers go on."""
        await self._release(self._files.acknowledged, is_room_wanted=True)

    def stats(self) -> LogStats:
        """Return how full it is; `dropped` counts since it was opened."""
        files = self._files
        return LogStats(files.size_bytes, files.begin, files.end, files.dropped)

    async def _wait_for_room(self, size: int) -> None:
        while not self.has_room(size):
            await self.trim()
            if not self.has_room(size):
                await self._wait_for_change()

    async def _release(self, position: int, *, is_room_wanted: bool) -> None:
        self._files.acknowledged = max(self._files.acknowledged, position)
        try:
            if is_room_wanted or self._files.first_end <= position:
                await self._run(
                    lambda: self._files.release(position, is_room_wanted=is_room_wanted)
                )
        except OSError as error:
            raise self._transient(error) from error
        finally:
            if not is_room_wanted:
                self._changed.set()

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
        if self._executor is None:
            raise RuntimeError(f"{self._directory} is not open")

    async def _run(self, function: Callable[[], T]) -> T:
        if self._executor is None:
            raise RuntimeError(f"{self._directory} is not open")
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    def _outcome(self, batch: _Batch) -> int:
        if batch.error is not None:
            raise self._transient(batch.error) from batch.error
        if self._options.fsync == "interval" and self._timer is None:
            self._timer = self._loop.call_later(self._options.fsync_interval, self._sync_soon)
        return batch.end

    def _sync_soon(self) -> None:
        self._timer = None
        if self._executor is not None:
            self._executor.submit(self._sync)

    def _transient(self, error: Exception) -> TransientError:
        return TransientError(f"{self._directory}: the log cannot be used now: {error}")

    def _unusable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"{self._directory}: the log cannot be used [{ConfigError.Code}]\n"
            f"  got: {error}\n"
            f"  what to do: see that the directory exists, that there is room, and that this user"
            f" may read and write it"
        )

    # What follows runs in the thread.

    def _write_queued(self) -> None:
        """Write all that is waiting, so that it waits for the disk together."""
        batches = []
        while self._queue:
            batch = self._queue.popleft()
            if not batch.is_abandoned:
                batches.append(batch)
        if not batches:
            return
        try:
            end = self._files.write([batch.records for batch in batches])
        except OSError as error:
            for batch in batches:
                batch.error = error
            return
        for batch in reversed(batches):
            batch.end = end
            end -= len(batch.records)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    def _sync(self) -> None:
        try:
            self._files.sync()
        except OSError as error:
            self._sync_error = error
