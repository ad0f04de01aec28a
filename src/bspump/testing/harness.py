"""The real engine in a test: pipelines with ends in memory, and time that is moved by hand."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Self

from bspump.abc.errors import ConfigErrors
from bspump.abc.host import Context
from bspump.abc.sink import BatchSink, Sink
from bspump.abc.source import Source
from bspump.abc.state import StateStore
from bspump.core.application import BSPumpApplication
from bspump.core.clock import SystemClock
from bspump.core.pipeline import Pipeline

from .doubles import made, with_doubles
from .manual_clock import START_S
from .memory_ends import MemoryBatchSink, MemorySink, MemorySource
from .virtual_time import VirtualClock, VirtualLoop

IN, OUT = "In", "Out"

_POLL_S = 0.01


class Failure(NamedTuple):
    """An error of a pipeline: which, where, and whether `handle_error` took care of it."""

    pipeline_id: str
    error: BaseException
    context: Context | None
    event: Any
    is_handled: bool


class Harness:
    """An application with pipelines, for the time of an `async with` block.

    It is the real engine. On a `VirtualLoop` (see `virtual_time`) nothing waits in real time and
    each run is the same; on any other loop everything works too, in real time. Pipelines are
    added before the block or in it; those that `args` configure, before. When it ends they are
    stopped and drained; an error that has stopped one is raised then, unless the test has
    looked at `errors`.

    Args:
        args: the command line of the application, such as `["--set", "[section] key=value"]`.
        start_s: the wall clock at first, Unix seconds; only where time is virtual.
        app_class: of the application.
        store: where checkpoints are kept; one that another harness had used has what that kept.

    Attributes:
        app: the application; connections and lookups are registered at `app.PumpService`.
        logs: what was logged since the block began, from level INFO on.
    """

    def __init__(
        self,
        args: Sequence[str] = (),
        *,
        start_s: float = START_S,
        app_class: type[BSPumpApplication] = BSPumpApplication,
        store: StateStore | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        is_virtual = isinstance(loop, VirtualLoop)
        self.app = app_class(
            args=list(args), clock=VirtualClock(loop, start_s) if is_virtual else SystemClock()
        )
        if store is not None:
            self.app.CheckpointService.use(store)
        self.logs: list[logging.LogRecord] = []
        self._handler = _Collector(self.logs)
        self._failures: list[Failure] = []
        self._has_looked = False
        self._running: AbstractAsyncContextManager[Any] | None = None

    async def __aenter__(self) -> Self:
        logging.getLogger().addHandler(self._handler)
        running = self.app.running()
        try:
            await running.__aenter__()
        except BaseException:
            logging.getLogger().removeHandler(self._handler)
            raise
        self._running = running
        return self

    async def __aexit__(self, *raised: Any) -> None:
        running, self._running = self._running, None
        if running is None:
            return  # It crashed.
        stopped = [pipeline for pipeline in self.pipelines if pipeline.has_error()]
        try:
            await running.__aexit__(*raised)
        finally:
            logging.getLogger().removeHandler(self._handler)
        if stopped and not self._has_looked and raised[0] is None:
            raise self._failures[-1].error

    async def crash(self) -> None:
        """End everything at once, as `SIGKILL` does: nothing is drained, flushed or stored."""
        running, self._running = self._running, None
        if running is None:
            raise RuntimeError("the harness does not run")
        store = self.app.CheckpointService.Store
        self.app.abandon()
        try:
            await running.__aexit__(None, None, None)
        finally:
            logging.getLogger().removeHandler(self._handler)
            if store is not None:
                await store.close()

    # What runs

    @property
    def pipelines(self) -> list[Pipeline]:
        """The pipelines of the application."""
        return list(self.app.PumpService.Pipelines.values())

    def pipeline(
        self,
        pipeline: type[Pipeline] | Pipeline,
        id: str | None = None,
        *,
        doubles: Collection[str] = (),
        replace: Mapping[str, Any] | None = None,
    ) -> Pipeline:
        """Add a pipeline and return it; it starts at once if the block has begun.

        Args:
            pipeline: its class, or the pipeline itself.
            id: of the pipeline, if a class is given.
            doubles: Ids of sources and sinks which a `MemorySource`, a `MemorySink` of the same
                Id takes the place of. The originals are made, but never opened.
            replace: what takes the place of other parts, by their Id: a function, a part, or a
                class.

        Raises:
            ConfigErrors: what is wrong with the configuration.
            UnknownNameError: an Id to be replaced is not in the pipeline.
        """
        if inspect.isclass(pipeline):
            pipeline = with_doubles(pipeline, doubles, replace or {})(self.app, id)
        if self.app.Config.problems:
            raise ConfigErrors(self.app.Config.problems)
        self._watch(pipeline)
        self.app.PumpService.add_pipeline(pipeline)
        if self._running is not None:
            pipeline.start()
        return pipeline

    def chain(
        self, *parts: Any, id: str = "Test", config: Mapping[str, Any] | None = None
    ) -> Pipeline:
        """Add a pipeline of `parts` and return it, with ends in memory where there are none.

        Without a source it gets an endless `MemorySource` called `In`, without a sink a
        `MemorySink` called `Out`.

        Args:
            parts: functions `(context, event) -> event`, or what makes parts when it is called
                with the application and the pipeline: classes and `functools.partial` of them.
            id: of the pipeline.
            config: options of the pipeline.
        """
        pipeline = Pipeline(self.app, id, config)
        all_made = [made(part, self.app, pipeline) for part in parts]
        sources = [part for part in all_made if isinstance(part, Source)]
        rest = [part for part in all_made if not isinstance(part, Source)]
        if not sources:
            sources = [made(MemorySource, self.app, pipeline, id=IN)]
        if not rest or not isinstance(rest[-1], Sink | BatchSink):
            rest.append(made(MemorySink, self.app, pipeline, id=OUT))
        pipeline.build(sources, *rest)
        return self.pipeline(pipeline)

    def _watch(self, pipeline: Pipeline) -> None:
        decide = pipeline.handle_error

        def note_error(error: BaseException, context: Context | None, event: Any) -> bool:
            is_handled = decide(error, context, event)
            self._failures.append(Failure(pipeline.Id, error, context, event, bool(is_handled)))
            return is_handled

        pipeline.handle_error = note_error  # type: ignore[assignment, method-assign]

    # What goes in, what comes out

    def send(
        self,
        events: Sequence[Any],
        to: str | None = None,
        *,
        contexts: Sequence[Context] | None = None,
    ) -> None:
        """Give events to a `MemorySource`; they are read as soon as the test waits.

        Args:
            events: any number of them.
            to: Id of the source, or address `Pipeline.*Id`; may be left out if there is one.
            contexts: one for each event.
        """
        self._end(MemorySource, to).send(events, contexts)

    def out(self, of: str | None = None) -> list[Any]:
        """Return what a memory sink has got so far, in its order.

        Args:
            of: Id of the sink, or address `Pipeline.Id`; may be left out if there is one.
        """
        sink: MemorySink | MemoryBatchSink = self._end((MemorySink, MemoryBatchSink), of)
        return list(sink.Events)

    def _end(self, kind: Any, name: str | None) -> Any:
        found = {}
        for pipeline in self.pipelines:
            for part in [*pipeline.Sources, *pipeline.iter_processors()]:
                if isinstance(part, kind):
                    found[part.locate_address()] = part
        named = [part for address, part in found.items() if name in (None, part.Id, address)]
        if len(named) != 1:
            raise LookupError(
                f"expected one end in memory{'' if name is None else f' called {name!r}'}, "
                f"got {len(named)}; there are: {', '.join(found) or 'none'}"
            )
        return named[0]

    @property
    def errors(self) -> list[Failure]:
        """The errors of all pipelines so far, those that were handled and rejected events too."""
        self._has_looked = True
        return list(self._failures)

    def counts(self, pipeline_id: str | None = None) -> dict[str, int]:
        """Return what a pipeline has counted so far.

        Among them are `event.in`, `event.out`, `event.drop` and `event.fail`.

        Args:
            pipeline_id: may be left out if there is one.
        """
        pipelines = [p for p in self.pipelines if pipeline_id in (None, p.Id)]
        if len(pipelines) != 1:
            raise LookupError(f"expected one pipeline, got {[p.Id for p in self.pipelines]}")
        self.app.MetricsService.collect()
        return dict(pipelines[0].MetricsCounter.values)

    # What time it is

    async def idle(self) -> None:
        """Let everything happen that can happen without time moving on."""
        if isinstance(self._loop, VirtualLoop):
            await self._loop.idle()
        else:
            await self.settle()

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, and everything happen that happens meanwhile, in its order."""
        await self.app.Clock.sleep(seconds)
        await self.idle()

    async def settle(self, within_s: float = 60.0) -> None:
        """Wait until everything that was sent is processed and durable; time moves if it must.

        Batches are written without waiting for their age, attempts that failed are repeated when
        they are due. Pipelines that are held back or stopped by an error are not waited for.

        Raises:
            TimeoutError: it took longer than `within_s`.
        """
        # What one pipeline hands to another may have to be waited for there.
        for _ in self.pipelines:
            for pipeline in self.pipelines:
                await self._settle(pipeline, within_s)

    async def _settle(self, pipeline: Pipeline, within_s: float) -> None:
        await self._until(lambda: _is_read(pipeline) or _is_held(pipeline), pipeline, within_s)
        # It never ends if an event fails on the way and stops the pipeline.
        settling = self._loop.create_task(pipeline.settle())
        try:
            await self._until(lambda: settling.done() or _is_held(pipeline), pipeline, within_s)
        finally:
            settling.cancel()
            await asyncio.wait([settling])

    async def _until(
        self, condition: Callable[[], bool], pipeline: Pipeline, within_s: float
    ) -> None:
        """Wait for `condition`, and let time move on only where it must."""
        deadline_s = self._loop.time() + within_s
        while True:
            if isinstance(self._loop, VirtualLoop):
                await self._loop.idle()
            if condition():
                return
            if self._loop.time() >= deadline_s:
                raise TimeoutError(
                    f"pipeline {pipeline.Id!r} is not done within {within_s} s; it is "
                    f"{pipeline.State.value}: {pipeline.rest_get()}"
                )
            await self.app.Clock.sleep(_POLL_S)

    async def finish(self, within_s: float = 60.0) -> None:
        """End all memory sources and wait until all pipelines have delivered their input.

        Raises:
            TimeoutError: it took longer than `within_s`.
        """
        for pipeline in self.pipelines:
            for source in pipeline.Sources:
                if isinstance(source, MemorySource):
                    source.end()
        for pipeline in self.pipelines:
            await self._until(pipeline.is_finished, pipeline, within_s)


class _Collector(logging.Handler):
    """Keeps records in a list."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.INFO)
        self.emit = records.append  # type: ignore[assignment, method-assign]


def _is_read(pipeline: Pipeline) -> bool:
    """Tell whether all that its memory sources were given has entered the pipeline."""
    sources = [source for source in pipeline.Sources if isinstance(source, MemorySource)]
    return all((source.Position or 0) >= len(source.Events) for source in sources)


def _is_held(pipeline: Pipeline) -> bool:
    """Tell whether it goes on only if somebody outside of it does something."""
    return pipeline.has_error() or bool(pipeline.get_throttles())
