"""What the engine does for every batch sink: batch, write, retry, reconnect, set aside."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any, Protocol

from bspump.abc.clock import Clock
from bspump.abc.errors import (
    ConfigError,
    ExhaustedError,
    NotConnectedError,
    PartialWriteError,
    RejectedError,
    TransientError,
)
from bspump.abc.host import Context, Event, Log
from bspump.abc.sink import Batch, BatchSink, BatchSinkOptions

from .batcher import Batcher
from .gate import Gate
from .retry import Backoff


class SinkHost(Protocol):
    """What the driver needs of the pipeline."""

    @property
    def gate(self) -> Gate:
        """The gate to close while the sink is full."""

    @property
    def clock(self) -> Clock:
        """The clock of the application."""

    def reject(self, pairs: Sequence[tuple[Context, Event]], error: Exception, who: Any) -> None:
        """Set events aside that will never be accepted."""

    async def failed_to_write(self, error: Exception) -> None:
        """Report an error of the pipeline; returns when it has been cleared."""


class SinkDriver:
    """Stands in the chain for a batch sink, and writes in a task of the pipeline.

    While one batch is being written another is collected; when that is complete too, the gate
    closes. So what is kept is bounded by two batches and what one call hands over.

    Args:
        sink: to be driven.
        host: its pipeline.
        log: where connections that come and go are written.
    """

    def __init__(self, sink: BatchSink[Any], host: SinkHost, log: Log) -> None:
        options = sink.Options
        assert isinstance(options, BatchSinkOptions)
        self._sink, self._host, self._log, self._options = sink, host, log, options
        self._batcher = Batcher(options.batch)
        self._ready: deque[Batch] = deque()
        self._writing: Batch | None = None
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._is_connected = False
        self._is_full: Hashable = ("full", sink.Id)
        self.written = 0

    def __len__(self) -> int:
        """Return how many events were taken and are not written yet."""
        writing = len(self._writing) if self._writing is not None else 0
        return len(self._batcher) + sum(map(len, self._ready)) + writing

    def process(self, context: Context, event: Event) -> None:
        """Take one event."""
        size_bytes = self._sink.size_bytes(event)
        if not len(self._batcher):
            self._wake.set()
            self._settled.clear()
        if self._batcher.add(context, event, size_bytes, now_s=self._host.clock.monotonic()):
            self._complete()

    def process_batch(self, contexts: Sequence[Context] | None, events: Sequence[Event]) -> None:
        """Take events."""
        if contexts is None:
            contexts = [{} for _ in events]
        now_s, done = self._host.clock.monotonic(), 0
        self._wake.set()
        self._settled.clear()
        while done < len(events):
            stop = done + max(1, self._batcher.room())
            part = events[done:stop]
            size_bytes = sum(map(self._sink.size_bytes, part))
            if size_bytes > self._batcher.room_bytes():
                for context, event in zip(contexts[done:stop], part, strict=True):
                    self.process(context, event)
            elif self._batcher.add_many(contexts[done:stop], part, size_bytes, now_s=now_s):
                self._complete()
            done = stop

    def _complete(self) -> None:
        self._ready.append(self._batcher.take())
        self._wake.set()
        if len(self._ready) + (self._writing is not None) >= 2:
            self._host.gate.close(self._is_full)

    async def run(self) -> None:
        """Write what comes, until cancelled; then close the sink."""
        try:
            await self._connect()
            while True:
                await self._something_to_write()
                self._writing = self._ready.popleft()
                await self._deliver(self._writing)
                self._writing = None
                if len(self._ready) <= 1:
                    self._host.gate.open(self._is_full)
                if not len(self):
                    self._settled.set()
        finally:
            await self._disconnect()

    async def flush(self) -> None:
        """Wait until everything taken so far is written or set aside."""
        if len(self._batcher):
            self._complete()
        await self._settled.wait()

    async def _something_to_write(self) -> None:
        clock = self._host.clock
        while not self._ready:
            due_s = self._batcher.due_s
            if due_s is not None and due_s <= clock.monotonic():
                self._complete()
                return
            self._wake.clear()
            try:
                async with asyncio.timeout(
                    None if due_s is None else max(0.0, due_s - clock.monotonic())
                ):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _connect(self) -> None:
        backoff = Backoff(self._options.retry)
        while not self._is_connected:
            try:
                await self._sink.connect()
            except (NotConnectedError, TransientError) as error:
                wait_s = backoff.next_s(error)
                if wait_s is None:
                    await self._host.failed_to_write(_exhausted(backoff.failures, error))
                    backoff.reset()
                    continue
                self._log.warning(
                    "cannot connect", sink=self._sink.Id, error=str(error), retry_in_s=wait_s
                )
                await self._host.clock.sleep(wait_s)
            except ConfigError as error:
                await self._host.failed_to_write(error)
            else:
                self._is_connected = True

    async def _disconnect(self) -> None:
        self._is_connected = False
        try:
            await self._sink.close()
        except Exception as error:  # noqa: BLE001 - it was to be closed anyway
            self._log.warning("closing failed", sink=self._sink.Id, error=repr(error))

    async def _deliver(self, batch: Batch) -> None:
        """Write `batch`; when this returns, every event of it was written or set aside."""
        backoff = Backoff(self._options.retry)
        waiting = [batch]
        while waiting:
            part = waiting.pop()
            try:
                await self._connect()
                async with asyncio.timeout(self._options.write_timeout or None):
                    await self._sink.write(part)
            except RejectedError as error:
                if len(part) > 1:
                    waiting += reversed(_halves(part))
                else:
                    self._reject(part, error)
            except PartialWriteError as error:
                self._reject_some(part, error)
                self.written += len(part) - len(error.errors)
                if error.transient:
                    waiting.append(part.take(error.transient))
                    await self._wait(backoff, error)
            except (TransientError, TimeoutError) as error:
                waiting.append(part)
                await self._wait(backoff, error)
            except NotConnectedError as error:
                waiting.append(part)
                await self._disconnect()
                await self._wait(backoff, error)
            except Exception as error:  # noqa: BLE001 - a bug of the sink: shown, and nothing is lost
                waiting.append(part)
                await self._host.failed_to_write(error)
            else:
                self.written += len(part)
                backoff.reset()

    async def _wait(self, backoff: Backoff, error: Exception) -> None:
        wait_s = backoff.next_s(error)
        if wait_s is None:
            failures = backoff.failures
            backoff.reset()
            await self._host.failed_to_write(_exhausted(failures, error))
            return
        self._log.warning(
            "write failed", sink=self._sink.Id, error=_text(error), retry_in_s=round(wait_s, 3)
        )
        await self._host.clock.sleep(wait_s)

    def _reject(self, part: Batch, error: Exception) -> None:
        pairs = list(zip(part.contexts, part.events, strict=True))
        self._host.reject(pairs, error, self._sink)

    def _reject_some(self, part: Batch, error: PartialWriteError) -> None:
        for index in error.rejected:
            self._reject(part.take([index]), error.errors[index])


def _halves(batch: Batch) -> list[Batch]:
    middle = len(batch) // 2
    return [batch.take(range(middle)), batch.take(range(middle, len(batch)))]


def _exhausted(failures: int, error: Exception) -> ExhaustedError:
    exhausted = ExhaustedError(f"gave up after {failures} attempts; the last: {_text(error)}")
    exhausted.__cause__ = error
    return exhausted


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
