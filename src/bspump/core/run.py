"""One run of a pipeline, from its start to its end: the tasks and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from bspump.abc.component import Component
from bspump.abc.processor import ProcessorBase
from bspump.abc.source import PullSource, Source

from .drive_sink import SinkDriver
from .drive_source import SourceDriver
from .origins import ORIGIN
from .parts import Parts
from .tasks import Tasks, cancelled, unless_cancelled

if TYPE_CHECKING:
    from .pipeline import Pipeline

_DRAIN_SHARE = 0.75
"""Of the time that a stop may take: for what is in flight. The rest is for cancelled tasks."""

_SOURCES_SHARE = 0.5
"""Of that: for the sources. One that does not end must not use up the time of the sinks."""

_AGAIN_S = 1.0
"""So long after an error that was called harmless a source is run again."""

_LEAST_S = 0.1
"""So long a cancelled task may take in any case."""


class Run:
    """Owns all tasks of a pipeline.

    Stopping has two phases: sources first, then what is in flight and the sinks, for three
    quarters of the time allowed; then all tasks are cancelled, and what was lost is said.
    """

    def __init__(self, pipeline: Pipeline, drivers: dict[ProcessorBase, SinkDriver]) -> None:
        self._pipeline = pipeline
        self._tasks = Tasks(pipeline.App, pipeline.Id)
        self.pulls: dict[PullSource[Any, Any], SourceDriver] = {}
        self._stop = asyncio.Event()
        self._flushing = asyncio.Lock()
        self.parts = Parts(pipeline, drivers, self)

    async def main(self) -> None:
        """Run until `stop` is called and everything has come to its end."""
        pipeline = self._pipeline
        try:
            are_open = await self._recover() and await self.parts.open_new()
            if are_open:
                pipeline.opened()
                for source in pipeline.Sources:
                    self._start(source)
                pipeline.check_finished()
                await self._stop.wait()
            pipeline.draining()
            await self._drain(are_open=are_open)
        finally:
            pipeline.closing()
            await self._end()
            pipeline.ended()

    async def _recover(self) -> bool:
        """Give back what a checkpoint has kept; False if the run is to end before that."""
        pipeline, checkpoints = self._pipeline, self._pipeline.App.CheckpointService
        checkpoints.follow(pipeline)
        pipeline.App.EventTimeService.follow(pipeline)
        while checkpoints.is_durable and not self.is_stopping():
            try:
                return await self.unless(self.stopping(), checkpoints.recover(pipeline))
            except Exception as error:  # noqa: BLE001 - shown; the operator may clear it
                pipeline.set_error(None, None, error)
                if not pipeline.has_error():
                    await self.unless(self.stopping(), pipeline.Clock.sleep(_AGAIN_S))
                await self.unless(self.stopping(), pipeline.error_cleared())
        return not self.is_stopping()

    def is_stopping(self) -> bool:
        """Tell whether the end has begun."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Begin the end."""
        self._stop.set()

    async def stopping(self) -> None:
        """Wait until the end begins."""
        await self._stop.wait()

    def spawn(self, coro: Coroutine[Any, Any, Any], *, name: str = "") -> asyncio.Task[Any]:
        """Run `coro` in a task of this run; what it raises is an error of the pipeline."""
        return self._tasks.spawn(self.guard(coro), coro, name)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Let `task` belong to this run, too."""
        self._tasks.add(task)

    async def guard(self, coro: Coroutine[Any, Any, Any]) -> Any:
        """Wait for `coro`; what it raises is an error of the pipeline."""
        try:
            return await coro
        except asyncio.CancelledError as error:
            # As `unless_cancelled`, which would cost every task of a generator something.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._pipeline.set_error(None, None, cancelled(error))
        except Exception as error:  # noqa: BLE001 - the pipeline owns the errors of its tasks
            self._pipeline.set_error(None, None, error)
        return None

    async def unless(
        self, signal: Coroutine[Any, Any, None], work: Coroutine[Any, Any, Any]
    ) -> bool:
        """Wait for `work`, but only until `signal` ends; tell whether the work was done.

        Work that is not done is cancelled. What it raises is raised.
        """
        outcome: list[Exception] = []

        async def working() -> None:
            try:
                await unless_cancelled(work)
            except Exception as error:  # noqa: BLE001 - it is raised below
                outcome.append(error)

        tasks = [
            self._tasks.spawn(working(), work, "work"),
            self._tasks.spawn(signal, signal, "signal"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            is_done = tasks[0].done()
        finally:
            for task in tasks:
                task.cancel()
        if outcome:
            raise outcome[0]
        return is_done

    async def attempt(
        self, work: Coroutine[Any, Any, Any], what: str, part: Component, within_s: float
    ) -> None:
        """Wait for `work` of a part, but not for ever; whatever comes of it is only logged."""
        log = self._pipeline.L

        async def working() -> None:
            try:
                await unless_cancelled(work)
            except Exception:  # What follows must be done all the same.
                log.exception("a part failed", part=part.Id, what=what)

        task = self._tasks.spawn(working(), work, what)
        await asyncio.wait([task], timeout=within_s)
        if not task.done():
            task.cancel()
            log.warning("a part takes too long", part=part.Id, what=what)

    # Sources

    def _start(self, source: Source) -> None:
        try:
            source.start(self._pipeline.Loop)
        except Exception as error:  # noqa: BLE001 - the others are to start all the same
            self._pipeline.set_error(None, None, error)

    async def run_source(self, source: Source) -> None:
        """Run `main()` of a source, again after an error that was called harmless."""
        pipeline = self._pipeline
        ORIGIN.set((pipeline.Id, source.Id))
        while True:
            try:
                await unless_cancelled(source.main())
            except Exception as error:  # noqa: BLE001 - the pipeline owns the errors of its sources
                pipeline.set_error(None, None, error)
                if pipeline.has_error():
                    return
                await pipeline.Clock.sleep(_AGAIN_S)
            else:
                pipeline.check_finished()
                return

    async def pull(self, source: PullSource[Any, Any]) -> None:
        """Drive a pull source."""
        driver = self.pulls[source] = SourceDriver(source, self._pipeline)
        try:
            await driver.run()
        finally:
            del self.pulls[source]

    async def stop_source(self, source: Source) -> None:
        """Stop a source and wait for its end."""
        task, pipeline = source.Task, self._pipeline
        if task is None or task.done():
            return
        driver = self.pulls.get(source) if isinstance(source, PullSource) else None
        # Events that are held back until somebody does something are read again next time.
        if driver is None or pipeline.has_error() or pipeline.get_throttles():
            task.cancel()
        else:
            driver.stop()
            if not await self.unless(pipeline.error_occurred(), _ended(task)):
                task.cancel()
        await asyncio.wait([task])

    # The end

    async def _drain(self, *, are_open: bool) -> None:
        """Stop the sources, then let everything that has entered get out if parts are open."""
        pipeline = self._pipeline
        allowed_s = pipeline.Options.stop_timeout * _DRAIN_SHARE
        is_at_rest = pipeline.App.CheckpointService.is_at_rest(pipeline)
        try:
            async with asyncio.timeout(allowed_s):
                sources_s = allowed_s * _SOURCES_SHARE
                stops = [self.attempt(s.stop(), "stop", s, sources_s) for s in pipeline.Sources]
                await asyncio.gather(*stops)
                if are_open and not is_at_rest:
                    await self._let_out(allowed_s)
        except TimeoutError:
            pipeline.L.warning("not everything could be drained in time")
        left = pipeline.Flow.under_way() + self.parts.unwritten()
        if left:
            pipeline.L.warning("events were not delivered and may come again", count=left)

    async def _let_out(self, allowed_s: float) -> None:
        """Let out what is in flight, as far as that goes without anybody's help."""
        pipeline = self._pipeline
        await self._drained()
        checkpoints = pipeline.App.CheckpointService
        for part in pipeline.iter_processors():
            # What a checkpoint keeps is still to come.
            if not (checkpoints.is_durable and part.is_stateful()):
                self.release(part)
                await self._drained()
        await self.parts.flush_as_far_as_possible(allowed_s)
        if checkpoints.is_durable or pipeline.transactions():
            await self.unless(pipeline.error_occurred(), pipeline.checkpoint())

    async def _drained(self) -> None:
        if not self._pipeline.has_error():
            await self.unless(self._pipeline.error_occurred(), self._pipeline.Flow.drained())

    def release(self, part: ProcessorBase) -> None:
        """Let a part hand on what it holds."""
        try:
            part.release()
        except Exception as error:  # noqa: BLE001 - the pipeline owns the errors of its parts
            self._pipeline.set_error(None, None, error)

    async def end_of_input(self) -> None:
        """Let out everything, what parts hold too; waits for errors to be cleared."""
        pipeline = self._pipeline
        await pipeline.Flow.drained()
        for part in pipeline.iter_processors():
            # What time has come to must not depend on when somebody has looked last.
            pipeline.App.EventTimeService.look()
            self.release(part)
            await pipeline.Flow.drained()
        await self.flush()

    async def sources_finished(self) -> None:
        """Wait until pull sources have acknowledged the end of their input."""
        pipeline = self._pipeline
        while running := [s for s in self.pulls if not s.is_finished()]:
            tasks = [source.Task for source in running if source.Task is not None]
            await pipeline.Flow.stand_by(asyncio.wait(tasks))
            await pipeline.error_cleared()

    async def flush(self) -> None:
        """Make durable what the sinks have taken. Raises what the first failing one raises."""
        async with self._flushing:
            await self.parts.flush()

    async def _end(self) -> None:
        """Cancel all tasks, wait for them within what is left of the time, and close all parts."""
        last_s = self._pipeline.Options.stop_timeout * (1 - _DRAIN_SHARE)
        for task in await self._tasks.end(max(_LEAST_S, last_s)):
            self._pipeline.L.error("task does not end", task=task.get_name())
        await self.parts.close_all(max(_LEAST_S, last_s))


async def _ended(task: asyncio.Task[Any]) -> None:
    await asyncio.wait([task])
