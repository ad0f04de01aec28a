"""What the engine does for sinks with transactions: one transaction for each checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from bspump.abc.errors import NotConnectedError, TransientError
from bspump.abc.host import Log
from bspump.abc.sink import (
    Batch,
    BatchSink,
    EpochId,
    EpochSink,
    TransactionalSinkOptions,
    TwoPhaseSink,
)

from .drive_sink import SinkDriver, SinkHost
from .retry import Backoff
from .tasks import unless_cancelled

T = TypeVar("T")

_WAITING_TIMES = 2
"""At so many times the limit of a transaction nothing is written until there is a checkpoint."""


def sink_driver(sink: BatchSink[Any], host: SinkHost, log: Log) -> SinkDriver:
    """Return the driver for a batch sink, as what it can do asks for."""
    if isinstance(sink, TwoPhaseSink) and sink.is_transactional():
        return TwoPhaseDriver(sink, host, log)
    if isinstance(sink, EpochSink) and sink.is_transactional():
        return EpochDriver(sink, host, log)
    return SinkDriver(sink, host, log)


class TransactionDriver(SinkDriver):
    """A driver that writes nothing between the snapshot of an epoch and its commit.

    Until then what comes is collected; it belongs to the next epoch. When a transaction has
    become large, a checkpoint is asked for; at twice that size the pipeline waits for it.
    """

    def __init__(self, sink: BatchSink[Any], host: SinkHost, log: Log) -> None:
        super().__init__(sink, host, log)
        options = sink.Options
        assert isinstance(options, TransactionalSinkOptions)
        self._limits = options.transaction
        self._connecting = asyncio.Lock()
        self._is_held = False
        self._hurries = 0
        self._open_events = self._open_bytes = 0

    @property
    def sink(self) -> BatchSink[Any]:
        """The sink."""
        return self._sink

    def has_written(self) -> bool:
        """Tell whether there is something to commit."""
        return self._open_events > 0

    def hold(self) -> None:
        """Write nothing until `release`; what was taken before has been written."""
        self._is_held = True

    def release(self) -> None:
        """Go on writing: another epoch has begun."""
        self._is_held = False
        self._open_events = self._open_bytes = 0
        self._wake.set()

    def hurry(self) -> None:
        """Write whatever comes until `relax`: a checkpoint waits for it, and for who is behind."""
        self._hurries += 1
        self._wake.set()

    def relax(self) -> None:
        """Undo `hurry`."""
        self._hurries -= 1

    async def flush(self, *, patiently: bool = True) -> None:
        self.hurry()
        try:
            await super().flush(patiently=patiently)
        finally:
            self.relax()

    async def _something_to_write(self) -> None:
        while True:
            await super()._something_to_write()
            if not self._must_wait():
                return
            self._wake.clear()
            await self._wake.wait()

    def _must_wait(self) -> bool:
        if self._is_held:
            return True
        return not self._hurries and self._is_over(_WAITING_TIMES)

    def _is_over(self, times: int) -> bool:
        limits = self._limits
        return (
            self._open_events >= times * limits.max_events
            or self._open_bytes >= times * limits.max_bytes
        )

    def _count(self, part: Batch) -> None:
        """Take note that `part` is in the open transaction."""
        self._open_events += len(part)
        self._open_bytes += sum(self._sizes(part.events))
        if self._is_over(1):
            self._host.request_checkpoint()

    async def _connect(self) -> None:
        async with self._connecting:
            await super()._connect()

    async def _insist(self, call: Callable[[], Coroutine[Any, Any, T]], what: str) -> T:
        """Return what `call` does, however often it takes; errors are dealt with as in `write`."""
        backoff = Backoff(self._options.retry)
        while True:
            try:
                await self._connect()
                async with asyncio.timeout(self._limits.timeout or None):
                    return await unless_cancelled(call())
            except (TransientError, TimeoutError) as error:
                await self._interrupted()
                await self._wait(backoff, error, what)
            except NotConnectedError as error:
                await self._disconnect()
                await self._wait(backoff, error, what)
            except Exception as error:  # noqa: BLE001 - a bug: shown, and nothing is lost
                await self._interrupted()
                await self._fail(error)


class TwoPhaseDriver(TransactionDriver):
    """Drives a sink that promises to commit, and keeps the promise after a crash.

    Attributes:
        pending: tokens of the last checkpoint, to be committed before anything is written.
    """

    _sink: TwoPhaseSink[Any]

    def __init__(self, sink: TwoPhaseSink[Any], host: SinkHost, log: Log) -> None:
        super().__init__(sink, host, log)
        self.pending: Sequence[Any] = ()
        self._is_recovered = False

    async def prepare(self, epoch: EpochId) -> Any:
        """Make the open transaction durable; return its token, `None` if it is empty."""
        return await self._insist(lambda: self._sink.prepare(epoch), "cannot prepare")

    async def commit(self, token: Any) -> None:
        """Let what was prepared be seen."""
        await self._insist(lambda: self._sink.commit(token), "cannot commit")

    def _wrote(self, part: Batch) -> None:
        super()._wrote(part)
        self._count(part)

    async def _connect(self) -> None:
        await super()._connect()
        if self._is_recovered:
            return
        # Set first, for what follows connects as well.
        self._is_recovered = True
        try:
            for token in self.pending:
                await self.commit(token)
            await self._insist(self._sink.abort, "cannot take back what was not committed")
        except BaseException:
            self._is_recovered = False
            raise


class EpochDriver(TransactionDriver):
    """Drives a sink that keeps the epoch with its data, and repeats a transaction that was lost.

    Attributes:
        written: events of committed transactions.
    """

    _sink: EpochSink[Any]

    def __init__(self, sink: EpochSink[Any], host: SinkHost, log: Log) -> None:
        super().__init__(sink, host, log)
        self._transaction: list[Batch] = []
        self._is_in_doubt = False

    def __len__(self) -> int:
        return super().__len__() + self._in_transaction()

    def _in_transaction(self) -> int:
        return sum(map(len, self._transaction))

    async def commit(self, epoch: EpochId, positions: Mapping[str, Any]) -> None:
        """Commit the open transaction as `epoch`; when this returns, it has happened."""

        async def attempt() -> None:
            if self._is_in_doubt and await self._sink.committed() == epoch:
                return
            # Until the sink has answered, a failure leaves open whether it was committed.
            self._is_in_doubt = False
            while self._parts:
                await self._deliver()
            self._is_in_doubt = True
            await self._sink.commit(epoch, positions)

        await self._insist(attempt, "cannot commit")
        self._is_in_doubt = False
        # Without an answer in time all was to be written once more, and was there already.
        for part in reversed(self._parts):
            self._wrote(part)
        self._parts = []
        self.written += self._in_transaction()
        self._transaction = []

    def _wrote(self, part: Batch) -> None:
        self._done += len(part)
        self._transaction.append(part)
        self._moved.set()
        self._count(part)

    async def _interrupted(self) -> None:
        await self._disconnect()

    async def _disconnect(self) -> None:
        """Disconnect; what was written and not committed is gone, and has to be written again."""
        await super()._disconnect()
        self._done -= self._in_transaction()
        self._parts += reversed(self._transaction)
        self._transaction = []
        self._open_events = self._open_bytes = 0
