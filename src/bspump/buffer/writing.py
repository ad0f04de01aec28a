"""The side of the buffer at which events come in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import RejectedError, TransientError
from bspump.state import SegmentLog
from bspump.state.segments import HEAD_BYTES

from .options import DiskBufferSourceOptions

if TYPE_CHECKING:
    from bspump.abc.host import Pipeline

_PIECE_BYTES = 1024 * 1024
_PIECE_RECORDS = 4096
_WAITING_BYTES = 1024 * 1024


class Writer:
    """Appends records to the log, with patience: what cannot be written now is written later.

    Attributes:
        changed: set when there may be something new to read.
    """

    def __init__(
        self, log: SegmentLog, options: DiskBufferSourceOptions, pipeline: Pipeline, id: str
    ) -> None:
        self._log, self._options = log, options
        self._pipeline, self._id = pipeline, id
        self.changed = asyncio.Event()
        self._opened, self._works = asyncio.Event(), asyncio.Event()
        self._works.set()
        self._is_full = False
        self._dropped = 0
        # What was put without waiting.
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._emptying = asyncio.Lock()

    def opened(self) -> None:
        """Take note that the log is open."""
        self._is_full, self._dropped = False, 0
        self._opened.set()

    def closed(self) -> None:
        """Take note that the log is closed; who wants to write waits until it is open again."""
        self._opened.clear()

    def is_ready(self) -> bool:
        """Tell whether something can be written now."""
        return (
            self._opened.is_set()
            and self._works.is_set()
            and self._waiting_bytes < _WAITING_BYTES
            and self._log.has_room()
        )

    async def ready(self) -> None:
        """Wait until something can be written."""
        while not self.is_ready():
            await self._opened.wait()
            await self._works.wait()
            if self._waiting_bytes >= _WAITING_BYTES:
                await self.settle()
            elif not self._log.has_room():
                await self._wait_for_room()

    def check(self, record: bytes) -> None:
        """Raise RejectedError if a record is larger than the buffer may be."""
        limit = self._options.buffer.max_bytes
        if len(record) + HEAD_BYTES > limit:
            raise RejectedError(
                f"an event of {len(record)} bytes can never fit into a buffer of {limit} bytes"
            )

    async def write(self, records: Sequence[bytes]) -> None:
        """Write records behind all others; when it returns they are as durable as was asked for.

        When it is cancelled, some of them may have been written.
        """
        await self.settle()
        for piece in self._pieces(records):
            await self._insist(piece)

    def put(self, record: bytes) -> None:
        """Write a record soon, behind all others; see `settle`."""
        self._waiting.append(record)
        self._waiting_bytes += len(record)
        if not self._emptying.locked() and len(self._waiting) == 1:
            self._pipeline.App.spawn(self.settle(), name=f"buffer {self._id}")

    async def settle(self) -> None:
        """Wait until everything that was put is written."""
        if not self._waiting:
            return
        async with self._emptying:
            while self._waiting:
                for piece in self._pieces(list(self._waiting)):
                    await self._insist(piece)
                    for _ in piece:
                        self._waiting_bytes -= len(self._waiting.popleft())

    def waiting(self) -> int:
        """Return how many records were put and are not written."""
        return len(self._waiting)

    def _pieces(self, records: Sequence[bytes]) -> list[Sequence[bytes]]:
        return cut(records, min(_PIECE_BYTES, self._options.buffer.max_bytes // 4))

    async def _insist(self, records: Sequence[bytes]) -> None:
        """Append records, however long that takes."""
        size = sum(map(len, records)) + HEAD_BYTES * len(records)
        wait_s = self._options.retry.first
        try:
            while not await self._try(records, size, wait_s):
                wait_s = min(wait_s * self._options.retry.factor, self._options.retry.longest)
        finally:
            # Also when it was cancelled: the next one is to find out.
            self._works.set()
        self.changed.set()
        self._say_what_was_dropped()
        if self._is_full and self._log.has_room():
            self._is_full = False
            self._pipeline.L.info("the buffer has room again", source=self._id)

    async def _try(self, records: Sequence[bytes], size: int, wait_s: float) -> bool:
        """Append records; if that is not possible now, wait a while and return False."""
        await self._opened.wait()
        if not self._log.has_room(size):
            self._works.clear()
            self._say_full()
            # What is processed can be removed when a checkpoint has it.
            self._pipeline.request_checkpoint()
        try:
            await self._log.append(records)
        except TransientError as error:
            self._works.clear()
            self._warn("cannot write to the buffer", error=str(error), retry_in_s=wait_s)
            await self._pipeline.Clock.sleep(wait_s)
            return False
        except RuntimeError:
            if self._log.is_open():
                raise
            return False
        return True

    async def _wait_for_room(self) -> None:
        self._say_full()
        try:
            await self._log.wait_for_room()
        except TransientError as error:
            self._warn("cannot make room in the buffer", error=str(error))
            await self._pipeline.Clock.sleep(self._options.retry.longest)
        except RuntimeError:
            if self._log.is_open():
                raise

    def _say_full(self) -> None:
        if not self._is_full:
            self._is_full = True
            size_bytes = self._log.stats().size_bytes
            self._warn("the buffer is full: the source is held back", size_bytes=size_bytes)

    def _say_what_was_dropped(self) -> None:
        dropped = self._log.stats().dropped
        if dropped > self._dropped:
            count, self._dropped = dropped - self._dropped, dropped
            self._warn("the buffer is full: the oldest events were dropped", count=count)

    def _warn(self, sentence: str, **fields: Any) -> None:
        self._pipeline.L.warning(sentence, source=self._id, **fields)


def cut(records: Sequence[bytes], size_bytes: int) -> list[Sequence[bytes]]:
    """Cut records into pieces of `size_bytes` in a log, as far as single ones allow it.

    >>> cut([b"abc", b"de", b"f"], 50)
    [[b'abc', b'de'], [b'f']]
    """
    pieces: list[Sequence[bytes]] = []
    start = size = 0
    for i, record in enumerate(records):
        needed = len(record) + HEAD_BYTES
        if i > start and (size + needed > size_bytes or i - start >= _PIECE_RECORDS):
            pieces.append(records[start:i])
            start, size = i, 0
        size += needed
    if start < len(records):
        pieces.append(records[start:])
    return pieces
