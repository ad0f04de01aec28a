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
        self._is_connected = False
        self._is_stopping = False
        self._scope: asyncio.Timeout | None = None
        self._acknowledged = source.Position
        self._acknowledged_at = host.Clock.monotonic()

    def stop(self) -> None:
        """Ask for an end: at once, or after the chunk that is being passed on."""
        self._is_stopping = True
        if self._scope is not None:
            self._scope.reschedule(0)

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
                    await self._acknowledge()
                    source.finish()
                    return
                if host.Clock.monotonic() - self._acknowledged_at >= ACKNOWLEDGE_EVERY_S:
                    await self._acknowledge()
                if not chunk.events:
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
        source = self._source
        await self._host.ready()
        try:
            if not self._is_connected:
                await source.connect()
                self._is_connected = True
            chunk = await source.read(source.Position)
        except NotConnectedError as error:
            await self._disconnect()
            await self._wait(error)
            return None
        except TransientError as error:
            await self._wait(error)
            return None
        self._backoff.reset()
        return chunk

    async def _wait(self, error: TransientError | NotConnectedError) -> None:
        wait_s = self._backoff.next_s(error)
        if wait_s is None:
            failures = self._backoff.failures
            self._backoff.reset()
            raise ExhaustedError(f"gave up after {failures} attempts; the last: {error}") from error
        self._host.L.warning(
            "cannot read", source=self._source.Id, error=str(error), retry_in_s=round(wait_s, 3)
        )
        await self._host.Clock.sleep(wait_s)

    async def _acknowledge(self) -> None:
        position = self._source.Position
        self._acknowledged_at = self._host.Clock.monotonic()
        if position is None or position == self._acknowledged:
            return
        await self._host.settle()
        await self._source.acknowledge(position)
        self._acknowledged = position

    async def _disconnect(self) -> None:
        if self._is_connected:
            self._is_connected = False
            await self._source.close()
