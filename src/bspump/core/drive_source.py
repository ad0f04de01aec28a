"""What the engine does for every pull source: connect, read, back off, hand on, acknowledge."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from bspump.abc.clock import Clock
from bspump.abc.errors import ExhaustedError, NotConnectedError, TransientError
from bspump.abc.host import Context, Event
from bspump.abc.source import Chunk, PullOptions, PullSource

from .quarantine import Care
from .retry import Backoff
from .tasks import unless_cancelled

T = TypeVar("T")


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

    async def checkpoint(self) -> None:
        """Wait until everything that was passed is durable."""

    def care_for(self, source: PullSource[Any, Any]) -> Care | None:
        """Return who hands on its first chunks, in case processes died of them."""

    def check_finished(self) -> None:
        """Look again whether all sources have finished."""


class SourceDriver:
    """Drives one run of a pull source, until its input ends or it is to stop.

    The position moves on when all events of a chunk have been passed. A checkpoint pauses the
    driver between two chunks, and tells it later that the position of that time is durable; the
    driver acknowledges it. What was read and not passed is read again.
    """

    def __init__(self, source: PullSource[Any, Any], host: SourceHost) -> None:
        options = source.Options
        assert isinstance(options, PullOptions)
        self._source, self._host, self._options = source, host, options
        self._backoff = Backoff(options.retry)
        self._is_connected = self._is_stopping = False
        self._scope: asyncio.Timeout | None = None
        self._pauses: set[object] = set()
        self._is_passing = False
        self._moved = asyncio.Event()
        self.is_at_end = False
        self._care = host.care_for(source)
        # Of what an earlier run has acknowledged nothing is known; once more does no harm.
        self._durable, self._acknowledged = source.DurablePosition, None

    def stop(self) -> None:
        """Ask for an end: at once, or after the chunk that is being passed on."""
        if not self._is_stopping:
            self._is_stopping = True
            self._interrupt()

    async def pause(self, who: object) -> None:
        """Pass nothing on until `resume(who)`; returns between two chunks."""
        self._pauses.add(who)
        while self._is_passing:
            self._moved.clear()
            await self._moved.wait()

    def is_paused(self) -> bool:
        """Tell whether it is between two chunks and stays there."""
        return bool(self._pauses) and not self._is_passing

    def resume(self, who: object) -> None:
        """Undo `pause`."""
        self._pauses.discard(who)
        self._moved.set()

    def durable(self, position: Any) -> None:
        """Take note that everything up to `position` is durable; it is acknowledged soon."""
        self._durable = None if position == self._acknowledged else position
        if self._durable is not None:
            self._interrupt()

    def is_acknowledged(self) -> bool:
        """Tell whether the source knows that all that was passed on is durable."""
        position: Any = self._source.Position
        return position is None or position == self._acknowledged

    def _interrupt(self) -> None:
        """End the read or the wait that is going on."""
        self._moved.set()
        if self._scope is not None:
            self._scope.reschedule(0)

    async def run(self) -> None:
        """Drive. Raises what is not an instruction, and `ExhaustedError`."""
        try:
            while not self._is_stopping:
                if self._durable is not None:
                    await self._acknowledge()
                    continue
                chunk = await self._interruptible(self._read())
                if chunk is None or not await self._may_pass():
                    continue
                await self._pass(chunk)
                if chunk.is_last:
                    break
                if not chunk.events and not self._is_stopping:
                    await self._interruptible(self._host.Clock.sleep(self._options.idle))
            await self._last_acknowledge()
        finally:
            await self._disconnect()

    async def _may_pass(self) -> bool:
        """Wait while it is paused; False if it was stopped meanwhile."""
        while self._pauses and not self._is_stopping:
            self._moved.clear()
            await self._moved.wait()
        return not self._is_stopping

    async def _pass(self, chunk: Chunk[Any]) -> None:
        self._is_passing = True
        try:
            if chunk.events:
                hand_on = self._host.process_many if self._care is None else self._care.hand_on
                await hand_on(chunk.events, chunk.contexts)
            self._source.Position = chunk.position
            self.is_at_end = chunk.is_last
        finally:
            self._is_passing = False
            self._moved.set()
        if self._care is not None and chunk.events:
            await self._care.handed_on()
            self._care = None if self._care.is_over else self._care

    async def _last_acknowledge(self) -> None:
        """Acknowledge all that was passed; after the end of the input, however long it takes."""
        if self.is_at_end:
            self._host.check_finished()
        while not self.is_acknowledged():
            if self._durable is not None:
                error = await self._acknowledge()
                if error is not None and self._is_stopping:
                    return
                if error is not None:
                    await self._interruptible(self._wait(error))
            elif self._is_stopping:
                await self._host.checkpoint()
                if self._durable is None:
                    return
            else:
                self._moved.clear()
                await self._moved.wait()
        if self.is_at_end:
            self._source.finish()

    async def _interruptible(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return what `work` does, `None` if something else came up meanwhile."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._scope = scope
                return await work
        except TimeoutError:
            if not scope.expired():
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
        source, position = self._source, self._durable
        self._durable = None
        try:
            await self._connect()
            await source.acknowledge(position)
        except (NotConnectedError, TransientError) as error:
            self._host.L.warning("cannot acknowledge", source=source.Id, error=str(error))
            if isinstance(error, NotConnectedError):
                await self._disconnect()
            # A later checkpoint will tell it, too, unless there is none.
            if self.is_at_end and self._durable is None:
                self._durable = position
            return error
        self._acknowledged = position
        return None

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
