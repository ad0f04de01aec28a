"""One run of a pipeline, from its start to its end: the tasks and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import NotConnectedError, TransientError
from bspump.abc.options import RetryOptions
from bspump.abc.processor import AsyncProcessor, ProcessorBase
from bspump.abc.sink import Sink
from bspump.abc.source import PullSource, Source

from .drive_sink import SinkDriver
from .drive_source import SourceDriver
from .retry import Backoff

if TYPE_CHECKING:
    from .pipeline import Pipeline

_DRAIN_SHARE = 0.75
"""Of the time that a stop may take: for what is in flight. The rest is for cancelled tasks."""


class Run:
    """Owns all tasks of a pipeline in one `TaskGroup`.

    Stopping has two phases: sources first, then what is in flight and the sinks, for three
    quarters of the time allowed; then all tasks are cancelled, and what was lost is said.
    """

    def __init__(self, pipeline: Pipeline, drivers: dict[ProcessorBase, SinkDriver]) -> None:
        self._pipeline, self._drivers = pipeline, drivers
        self._pulls: dict[PullSource[Any, Any], SourceDriver] = {}
        self._opened: list[Sink | AsyncProcessor] = []
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stop = asyncio.Event()

    async def main(self) -> None:
        """Run until `stop` is called and everything has come to its end."""
        pipeline = self._pipeline
        try:
            async with asyncio.TaskGroup() as self._group:
                try:
                    for part, driver in self._drivers.items():
                        self.spawn(driver.run(), name=f"{part!r}")
                    if await self._open_all():
                        pipeline.opened()
                        for source in pipeline.Sources:
                            source.start(pipeline.Loop)
                        await self._stop.wait()
                    pipeline.draining()
                    await self._drain()
                finally:
                    pipeline.Flow.close()
                    for task in list(self._tasks):
                        task.cancel()
        finally:
            self._group = None
            await self._close_all()

    def stop(self) -> None:
        """Begin the end."""
        self._stop.set()

    def spawn(self, coro: Coroutine[Any, Any, Any], *, name: str = "") -> asyncio.Task[Any]:
        """Run `coro` in a task of this run; what it raises is an error of the pipeline."""
        if self._group is None:
            coro.close()
            raise RuntimeError(f"pipeline {self._pipeline.Id!r} does not run")
        task = self._group.create_task(self._guard(coro), name=f"{self._pipeline.Id}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before it has begun never gets to its coroutine.
        task.add_done_callback(lambda _: coro.close())
        return task

    async def _guard(self, coro: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await coro
        except Exception as error:  # noqa: BLE001 - the pipeline owns the errors of its tasks
            self._pipeline.set_error(None, None, error)
            return None

    async def pull(self, source: PullSource[Any, Any]) -> None:
        """Drive a pull source."""
        driver = self._pulls[source] = SourceDriver(source, self._pipeline)
        try:
            await driver.run()
        finally:
            del self._pulls[source]

    async def stop_source(self, source: Source) -> None:
        """Stop a source and wait for its end."""
        task = source.Task
        if task is None or task.done():
            return
        driver = self._pulls.get(source) if isinstance(source, PullSource) else None
        if driver is not None and self._pipeline.is_ready():
            driver.stop()
        else:
            task.cancel()
        await asyncio.wait([task])

    async def _open_all(self) -> bool:
        """Open all parts that have something to open; False if it was stopped meanwhile."""
        for part in self._pipeline.iter_processors():
            if isinstance(part, Sink | AsyncProcessor) and not await self._open(part):
                return False
        return True

    async def _open(self, part: Sink | AsyncProcessor) -> bool:
        pipeline, backoff = self._pipeline, Backoff(RetryOptions())
        while not self._stop.is_set():
            try:
                await part.open()
            except (NotConnectedError, TransientError) as error:
                wait_s = backoff.next_s(error) or 0.0
                pipeline.L.warning(
                    "cannot open", part=part.Id, error=str(error), retry_in_s=round(wait_s, 3)
                )
                await self._unless_stopped(pipeline.Clock.sleep(wait_s))
            except Exception as error:  # noqa: BLE001 - shown; the operator may clear it
                pipeline.set_error(None, None, error)
                await self._unless_stopped(pipeline.error_cleared())
            else:
                self._opened.append(part)
                return True
        return False

    async def _unless_stopped(self, work: Coroutine[Any, Any, Any]) -> None:
        """Wait for `work`, but no longer than until this run is to stop."""
        assert self._group is not None
        stopped = self._group.create_task(self._stop.wait())
        working = self._group.create_task(work)
        try:
            await asyncio.wait([stopped, working], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            working.cancel()

    async def _drain(self) -> None:
        """Stop the sources, then let everything that has entered get out."""
        pipeline = self._pipeline
        try:
            async with asyncio.timeout(pipeline.Options.stop_timeout * _DRAIN_SHARE):
                await asyncio.gather(*(source.stop() for source in pipeline.Sources))
                if not pipeline.has_error():
                    await pipeline.Flow.drained()
                await self.flush()
        except TimeoutError:
            pipeline.L.warning("not everything could be drained in time")
        except Exception as error:  # noqa: BLE001 - it must not keep the rest from being closed
            pipeline.L.error("draining failed", error=repr(error))
        left = pipeline.Flow.under_way() + sum(map(len, self._drivers.values()))
        if left:
            pipeline.L.warning("events were not delivered and may come again", count=left)

    async def flush(self) -> None:
        """Make durable what the sinks have taken."""
        for driver in self._drivers.values():
            await driver.flush()
        for part in self._opened:
            if isinstance(part, Sink):
                await part.flush()

    async def _close_all(self) -> None:
        for part in reversed(self._opened):
            try:
                await part.close()
            except Exception as error:  # noqa: BLE001 - the others must be closed too
                self._pipeline.L.error("closing failed", part=part.Id, error=repr(error))
        self._opened.clear()
