"""What the engine does for every batch sink: batch, write, retry, reconnect, set aside."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any, Final, Protocol

from bspump.abc.clock import Clock
from bspump.abc.errors import (
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
from .tasks import unless_cancelled

_SIZED: Final = (bytes, bytearray, str)
"""What `BatchSink.size_bytes` counts; everything else counts nothing."""


class SinkHost(Protocol):
    """What the driver needs of the pipeline."""

    @property
    def gate(self) -> Gate:
        """The gate to close while the sink is full."""

    @property
    def clock(self) -> Clock:
        """The clock of the application."""

    def has_error(self) -> bool:
        """Tell whether an error stops the pipeline."""

    def reject(self, pairs: Sequence[tuple[Context, Event]], error: Exception, who: Any) -> None:
        """Set events aside that will never be accepted."""

    async def failed_to_write(self, error: Exception) -> None:
        """Report an error of the pipeline; returns when it has been cleared."""

    def request_checkpoint(self) -> None:
        """Ask for a checkpoint soon."""


class SinkDriver:
    """Stands in the chain for a batch sink, and writes in a task of the pipeline.

    While one batch is being written another is collected; when that is complete too, the gate
    closes. So what is kept is bounded by two batches and what one call hands over. It stays
    here when `run` is cancelled, and the next `run` writes it.

    Args:
        sink: to be driven.
        host: its pipeline.
        log: where connections that come and go are written.

    Attributes:
        written: how many events the destination has confirmed.
    """

    def __init__(self, sink: BatchSink[Any], host: SinkHost, log: Log) -> None:
        options = sink.Options
        assert isinstance(options, BatchSinkOptions)
        self._sink, self._host, self._log, self._options = sink, host, log, options
        self._batcher = Batcher(options.batch)
        self._ready: deque[Batch] = deque()
        # What is left of the batch that is being written; the last one comes first.
        self._parts: list[Batch] = []
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._is_connected = self._is_failing = False
        self._is_full: Hashable = ("full", sink.Id)
        self._taken = self._done = self.written = 0

    def __len__(self) -> int:
        """Return how many events were taken and are neither written nor set aside yet."""
        return self._taken - self._done

    def is_idle(self) -> bool:
        """Tell whether everything that was taken is written or set aside."""
        return self._taken == self._done

    def process(self, context: Context, event: Event) -> None:
        """Take one event."""
        size_bytes = self._sink.size_bytes(event)
        self._take(context, event, size_bytes, self._host.clock.monotonic())

    def process_batch(self, contexts: Sequence[Context] | None, events: Sequence[Event]) -> None:
        """Take all events, or none if the size of one of them cannot be told."""
        sizes = self._sizes(events)
        if contexts is None:
            contexts = [{} for _ in events]
        now_s, done = self._host.clock.monotonic(), 0
        while done < len(events):
            stop = min(done + self._batcher.room(), len(events))
            size_bytes = sum(sizes[done:stop])
            if size_bytes > self._batcher.room_bytes():
                for i in range(done, stop):
                    self._take(contexts[i], events[i], sizes[i], now_s)
            else:
                self._taken += stop - done
                self._begin()
                if self._batcher.add_many(
                    contexts[done:stop], events[done:stop], size_bytes, now_s=now_s
                ):
                    self._complete()
            done = stop

    def _sizes(self, events: Sequence[Event]) -> list[int]:
        """Return what each event counts, without a call for each where the sink has no say."""
        if type(self._sink).size_bytes is BatchSink.size_bytes:
            are_sized = {issubclass(kind, _SIZED) for kind in set(map(type, events))}
            if are_sized == {False}:
                return [0] * len(events)
            if are_sized == {True}:
                return list(map(len, events))
        return list(map(self._sink.size_bytes, events))

    def _take(self, context: Context, event: Event, size_bytes: int, now_s: float) -> None:
        self._taken += 1
        self._begin()
        if self._batcher.add(context, event, size_bytes, now_s=now_s):
            self._complete()

    def _begin(self) -> None:
        """Wake the writer where a batch begins, for its age counts from now on."""
        if not len(self._batcher):
            self._wake.set()

    def _complete(self) -> None:
        self._ready.append(self._batcher.take())
        self._wake.set()
        if len(self._ready) + bool(self._parts) >= 2:
            self._host.gate.close(self._is_full)

    async def run(self) -> None:
        """Write what comes, until cancelled; then close the sink."""
        try:
            while True:
                try:
                    await self._connect()
                    await self._something_to_write()
                    await self._deliver()
                except Exception as error:  # noqa: BLE001 - a bug: shown, and nothing is lost
                    await self._fail(error)
        finally:
            await self._disconnect()

    async def flush(self, *, patiently: bool = True) -> None:
        """Wait until everything taken so far is written or set aside.

        Args:
            patiently: wait for an error to be cleared, too; else return when one holds it up.
        """
        if len(self._batcher):
            self._complete()
        target = self._taken
        while self._done < target:
            if not patiently and self._is_failing and self._host.has_error():
                return
            self._moved.clear()
            await self._moved.wait()

    async def _something_to_write(self) -> None:
        clock = self._host.clock
        while not self._parts and not self._ready:
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
                await unless_cancelled(self._sink.connect())
            except (NotConnectedError, TransientError) as error:
                await self._wait(backoff, error, "cannot connect")
            except Exception as error:  # noqa: BLE001 - shown; the operator may clear it
                await self._fail(error)
            else:
                self._is_connected = True

    async def _disconnect(self) -> None:
        self._is_connected = False
        try:
            await unless_cancelled(self._sink.close())
        except Exception as error:  # noqa: BLE001 - it was to be closed anyway
            self._log.warning("closing failed", sink=self._sink.Id, error=repr(error))

    async def _deliver(self) -> None:
        """Write the next batch; when this returns, all of it was written or set aside."""
        if not self._parts:
            self._parts.append(self._ready.popleft())
        backoff = Backoff(self._options.retry)
        while self._parts:
            part = self._parts[-1]
            try:
                await self._connect()
                async with asyncio.timeout(self._options.write_timeout or None):
                    await unless_cancelled(self._sink.write(part))
            except RejectedError as error:
                self._divide(part, error)
            except PartialWriteError as error:
                if self._sort(part, error):
                    await self._wait(backoff, error)
            except (TransientError, TimeoutError) as error:
                await self._interrupted()
                await self._wait(backoff, error)
            except NotConnectedError as error:
                await self._disconnect()
                await self._wait(backoff, error)
            except Exception as error:  # noqa: BLE001 - a bug: shown, and nothing is lost
                await self._interrupted()
                await self._fail(error)
            else:
                self._parts.pop()
                self._wrote(part)
                backoff.reset()
        if len(self._ready) <= 1:
            self._host.gate.open(self._is_full)

    def _divide(self, part: Batch, error: RejectedError) -> None:
        """Set one event aside, or go on with two halves."""
        self._parts.pop()
        if len(part) > 1:
            middle = len(part) // 2
            self._parts += [part.take(range(middle, len(part))), part.take(range(middle))]
        else:
            self._reject(part, error)

    def _sort(self, part: Batch, error: PartialWriteError) -> bool:
        """Set aside what will never be accepted; tell whether the rest has to be repeated."""
        rejected = [(part.take([i]), error.errors[i]) for i in error.rejected]
        # Whatever else is the matter with an event, it was not written.
        again = part.take(sorted(error.errors.keys() - set(error.rejected)))
        self._parts.pop()
        if len(again):
            self._parts.append(again)
        written = [index for index in range(len(part)) if index not in error.errors]
        if written:
            self._wrote(part.take(written))
        for one, reason in rejected:
            self._reject(one, reason)
        return len(again) > 0

    def _reject(self, part: Batch, error: Exception) -> None:
        self._done += len(part)
        self._moved.set()
        pairs = list(zip(part.contexts, part.events, strict=True))
        self._host.reject(pairs, error, self._sink)

    def _wrote(self, part: Batch) -> None:
        """Take note that the sink has confirmed `part`."""
        self._done += len(part)
        self.written += len(part)
        self._moved.set()

    async def _interrupted(self) -> None:
        """Do what is necessary between an attempt that failed and the next one."""

    async def _wait(self, backoff: Backoff, error: Exception, what: str = "write failed") -> None:
        wait_s = backoff.next_s(error)
        if wait_s is None:
            failures = backoff.failures
            backoff.reset()
            await self._fail(_exhausted(failures, error))
            return
        self._log.warning(what, sink=self._sink.Id, error=_text(error), retry_in_s=round(wait_s, 3))
        await self._host.clock.sleep(wait_s)

    async def _fail(self, error: Exception) -> None:
        """Report an error, and wait until it has been cleared."""
        self._is_failing = True
        self._moved.set()
        try:
            await self._host.failed_to_write(error)
        finally:
            self._is_failing = False


def _exhausted(failures: int, error: Exception) -> ExhaustedError:
    exhausted = ExhaustedError(f"gave up after {failures} attempts; the last: {_text(error)}")
    exhausted.__cause__ = error
    return exhausted


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
