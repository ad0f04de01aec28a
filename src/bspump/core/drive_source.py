"""What the engine does for every pull source: connect, read, back off, hand on, acknowledge."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from bspump.abc.clock import Clock
from bspump.abc.errors import ExhaustedError, NotConnectedError, TransientError
from bspump.abc.host import Context, Event
from bspump.abc.source import Chunk, PullOptions, PullSource

from .retry import Backoff
from .tasks import unless_cancelled

T = TypeVar("T")

ACKNOWLEDGE_EVERY_S = 1.0
"""How often a source is told what is durable. Each time the sinks are flushed for it."""


class SourceHost(Protocol):
    """What the driver needs of the pipeline."""

    @property
    def Clock(self) -> Clock:
        """The clock of the application."""

    @property
    def L(self) -> Any:
        """The logger of the pipeline."""

    async def ready(self) -> bool:
        """Wait until events may be processed."""

    async def process_many(
        self, events: Sequence[Event], contexts: Sequence[Context] | None = None
    ) -> None:
        """Pass events through."""

    async def settle(self) -> None:
        """Wait until everything that was passed is durable."""


class SourceDriver:
    """Drives one run of a pull source, until its input ends or it is to stop.

    The position moves on when all events of a chunk have been passed, and is acknowledged when
    the sinks have made them durable. What was read and not passed is read again.
    """

    def __init__(self, source: PullSource[Any, Any], host: SourceHost) -> None:
        options = source.Options
        assert isinstance(options, PullOptions)
        self._source, self._host, self._options = source, host, options
        self._backoff = Backoff(options.retry)
        self._is_connected = self._is_stopping = False
        self._scope: asyncio.Timeout | None = None
        # Of what an earlier run has acknowledged nothing is known; once more does no harm.
        self._acknowledged: Any = None
        self._acknowledged_at = host.Clock.monotonic()

    def stop(self) -> None:
        """Ask for an end: at once, or after the chunk that is being passed on."""
        if not self._is_stopping and self._scope is not None:
            self._scope.reschedule(0)
        self._is_stopping = True

    async def run(self) -> None:
        """Drive. Raises what is not an instruction, and `ExhaustedError`."""
        source, host = self._source, self._host
        try:
            while not self._is_stopping:
                chunk = await self._unless_stopped(self._read())
                if chunk is None:
                    continue
                if chunk.events:
                    await host.process_many(chunk.events, chunk.contexts)
                source.Position = chunk.position
                if chunk.is_last:
                    await self._finish()
                    return
                if host.Clock.monotonic() - self._acknowledged_at >= ACKNOWLEDGE_EVERY_S:
                    await self._acknowledge()
                if not chunk.events and not self._is_stopping:
                    await self._unless_stopped(host.Clock.sleep(self._options.idle))
            await self._acknowledge()
        finally:
            await self._disconnect()

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return what `work` does, `None` if the source was asked to stop meanwhile."""
        try:
            async with asyncio.timeout(None) as self._scope:
                return await work
        except TimeoutError:
            if not self._is_stopping:
                raise
            return None
        finally:
            self._scope = None

    async def _read(self) -> Chunk[Any] | None:
        """Return a chunk, or `None` after a wait if there is to be another attempt."""
        await self._host.ready()
        try:
            await self._connect()
            chunk = await self._source.read(self._source.Position)
        except NotConnectedError as error:
            await self._disconnect()
            await self._wait(error)
            return None
        except TransientError as error:
            await self._wait(error)
            return None
        self._backoff.reset()
        return chunk

    async def _wait(self, error: Exception) -> None:
        wait_s = self._backoff.next_s(error)
        if wait_s is None:
            failures = self._backoff.failures
            self._backoff.reset()
            raise ExhaustedError(f"gave up after {failures} attempts; the last: {error}") from error
        self._host.L.warning(
            "cannot read", source=self._source.Id, error=str(error), retry_in_s=round(wait_s, 3)
        )
        await self._host.Clock.sleep(wait_s)

    async def _acknowledge(self) -> Exception | None:
        """Tell the source what is durable; return why that is not possible now."""
        source, position = self._source, self._source.Position
        self._acknowledged_at = self._host.Clock.monotonic()
        if position is None or position == self._acknowledged:
            return None
        await self._host.settle()
        try:
            await self._connect()
            await source.acknowledge(position)
        except (NotConnectedError, TransientError) as error:
            # What comes later will tell it, too.
            self._host.L.warning("cannot acknowledge", source=source.Id, error=str(error))
            if isinstance(error, NotConnectedError):
                await self._disconnect()
            return error
        self._acknowledged = position
        return None

    async def _finish(self) -> None:
        """Acknowledge the end of the input, however long it takes."""
        while (error := await self._acknowledge()) is not None:
            if self._is_stopping:
                return
            await self._unless_stopped(self._wait(error))
        self._source.finish()

    async def _connect(self) -> None:
        if not self._is_connected:
            # Before it is, for what a connect made that failed half-way is to be released, too.
            self._is_connected = True
            try:
                await self._source.connect()
            except BaseException:
                await self._disconnect()
                raise

    async def _disconnect(self) -> None:
        if not self._is_connected:
            return
        self._is_connected = False
        try:
            await unless_cancelled(self._source.close())
        except Exception as error:  # noqa: BLE001 - it was to be closed anyway
            self._host.L.warning("closing failed", source=self._source.Id, error=repr(error))
