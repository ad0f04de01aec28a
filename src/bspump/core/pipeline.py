"""The pipeline: how events get in, what becomes of their errors, how it starts and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable, Mapping, Sequence
from typing import Any

from bspump.abc.host import Context, Event
from bspump.abc.processor import ProcessorBase
from bspump.abc.source import PullSource, Source

from . import view
from .asides import Asides
from .assembly import PipelineOptions
from .checkpointing import Checkpointing
from .compilation import Compilation
from .drive_epochs import TransactionDriver
from .drive_source import SourceDriver
from .failures import Failures
from .flow import Flow, Pace
from .lifecycle import Lifecycle, State
from .run import Run
from .tasks import Early

__all__ = ["Pipeline", "PipelineOptions"]

_NOT_STARTED = "the pipeline is not started"


class Pipeline(Checkpointing):
    """Sources, then processors in order, then a sink. Subclass it and call `build()` once.

    An event goes through the whole chain in one go, in the task of its source; there is no queue
    and no task in between. While the pipeline is not ready (an error, a throttle, a full sink)
    events wait where they are, in their order.

    Args:
        app: the application.
        id: default is the name of the class.
        config: options that override all others.
    """

    def __init__(
        self, app: Any, id: str | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(app, id, config)
        self.LastReadyStateSwitch = app.time()
        self._lifecycle = Lifecycle(app.time)
        self._failures = Failures(self, self._accounts)
        self.Asides = Asides(self)
        self._compilation = Compilation(self, self._failures, self._accounts)
        self._run: Run | None = None
        self._runner: asyncio.Task[Any] | None = None
        self._early = Early(app, self.Id)
        self._finishing: asyncio.Task[Any] | None = None
        self._is_finished = False
        self.Flow = Flow(
            self.Id,
            app,
            spawn=self._spawn,
            failed=self._failures.failed,
            caller=self._compilation.caller,
            flipped=self._flipped,
            pace=Pace(self.Options.profile_every, self.Options.slice, self.AsyncConcurencyLimit),
        )
        self.Flow.gate.close(_NOT_STARTED, announce=True)

    @property
    def AsyncFutures(self) -> set[asyncio.Task[Any]]:
        """Tasks in flight."""
        return self.Flow.futures

    @property
    def AsyncFuturesThrottler(self) -> Hashable:
        """The reason for which too many of them hold the pipeline back."""
        return self.Flow.throttler

    @property
    def State(self) -> State:
        """Where the pipeline is in its life."""
        return self._lifecycle.state

    async def process(self, event: Event, context: Context | None = None) -> None:
        """Pass one event through; when it returns, the sink has it or its error was dealt with.

        Waits while the pipeline is not ready, and now and then lets other tasks run. A cancel
        arrives before the event has entered, never after.
        """
        await self.Flow.gate.wait()
        await self.Flow.process(event, context)

    async def process_many(
        self, events: Sequence[Event], contexts: Sequence[Context] | None = None
    ) -> None:
        """Pass events through in order; the fast way for sources that hold several anyway.

        Args:
            events: any number of them; about a hundred or more make it worth while.
            contexts: one for each event, given away with it; `None`: each gets an empty one.
        """
        if not self._lifecycle.is_active():
            await self.Flow.gate.wait()
        await self.Flow.process_many(events, contexts)

    def inject(self, context: Context | None, event: Event, depth: int) -> None:
        """Pass one event, synchronously, through the processors from `depth` on.

        While the pipeline is not ready it is kept, in its order.

        Raises:
            RuntimeError: the pipeline has not been started, or has been stopped.
        """
        if self._run is None:
            raise RuntimeError(
                f"pipeline {self.Id!r} is {self.State.value}: events can be injected from its "
                "start to its stop"
            )
        self.Flow.chain.inject(context, event, depth)

    async def ready(self) -> bool:
        """Wait until events may be processed; returns True."""
        await self.Flow.gate.wait()
        return True

    def is_ready(self) -> bool:
        """Tell whether events may be processed now."""
        return self.Flow.gate.is_open()

    def ensure_future(self, coro: Coroutine[Any, Any, Any], /) -> asyncio.Task[Any]:
        """Run `coro` in a task of the pipeline; its failure becomes the pipeline's error.

        A stop waits for it. More than `async_concurency_limit` of them hold the pipeline back.
        While the pipeline does not run, the task waits for it to be started.
        """
        name = getattr(coro, "__name__", "future")
        if self._run is None:
            return self._early.spawn(coro, name)
        task = self._run.spawn(coro, name=name)
        self.Flow.keep(task)
        return task

    def _spawn(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        if self._run is None:
            coro.close()
            raise RuntimeError(f"pipeline {self.Id!r} does not run")
        return self._run.spawn(coro, name="engine")

    def _flipped(self, is_ready: bool) -> None:
        self.LastReadyStateSwitch = self.App.time()
        self._accounts.duty_cycle.set("ready", is_ready)
        if self._lifecycle.is_active():
            self._move()
        self.PubSub.publish(
            "bspump.pipeline.ready!" if is_ready else "bspump.pipeline.not_ready!", pipeline=self
        )

    # Errors

    def handle_error(self, exception: BaseException, context: Context | None, event: Event) -> bool:
        """Override: decide what an error means. True: go on without this event; False: it stops.

        Args:
            exception: what was raised.
            context: of the event, `None` where no event is to blame.
            event: at which it was raised, as it came to the processor that raised it.
        """
        return False

    def set_error(self, context: Context | None, event: Event, exc: BaseException | None) -> None:
        """Report an error of the pipeline, or with `exc=None` clear it.

        An error that `handle_error` does not handle stops the pipeline: events wait until it is
        cleared. Then sources that have ended are started again.
        """
        if exc is not None:
            self._failures.report(exc, context, event)
        elif self._failures.clear():
            self._move()
            for source in self.Sources:
                source.restart(self.Loop)
            self.check_finished()

    async def error_cleared(self) -> None:
        """Wait until there is no error."""
        await self._failures.cleared()

    async def error_occurred(self) -> None:
        """Wait until there is an error."""
        await self._failures.occurred()

    def has_error(self) -> bool:
        """Tell whether an error stops the pipeline."""
        return self._failures.has_error()

    def under_way(self) -> int:
        """Return how many events or tasks are on their way through it, sinks not included."""
        return self.Flow.under_way()

    def reject(
        self, events: Sequence[tuple[Context, Event]], error: Exception, who: Any, /
    ) -> None:
        """Hand over events that will never be accepted by `who`; each is counted and reported."""
        self._failures.reject(events, error, who)

    # Life

    def start(self) -> None:
        """Start, unless it has been started; sources begin once all parts are open.

        Started again it goes on with what the stop has left, and its error is cleared.

        Raises:
            ConfigErrors: what it was told does not fit, or less is promised than required.
        """
        if self._lifecycle.is_started() or self._lifecycle.state is State.DRAINING:
            return
        self.App.StartChecks.check(self)
        self._failures.open()
        if self._lifecycle.state is State.STOPPED:
            self._failures.clear()
        self._lifecycle.move(State.CONNECTING)
        self._is_finished, self._finishing = False, None
        self.PubSub.publish("bspump.pipeline.start!", pipeline=self)
        self._compilation.prepare()
        self._run = Run(self, self._compilation.drivers)
        self.bind()
        self._runner = self.App.spawn(self._run.main(), name=f"pipeline {self.Id}")

    def opened(self) -> None:
        """Take note that all parts are open; the run calls it."""
        assert self._run is not None
        self._lifecycle.move(State.RUNNING)
        self._move()
        for task in self._early.begin(self._run.guard):
            self._run.adopt(task)
            self.Flow.keep(task)
        self.Flow.resume()
        self.Flow.gate.open(_NOT_STARTED)

    def draining(self) -> None:
        """Take note that the end has begun; the run calls it."""
        self._lifecycle.move(State.DRAINING)

    def closing(self) -> None:
        """Take note that no event may pass any more; the run calls it."""
        self.Flow.gate.close(_NOT_STARTED, announce=True)
        self.Flow.close()
        self._unbind()

    def ended(self) -> None:
        """Take note that the run is over; the run calls it."""
        for state in (State.DRAINING, State.STOPPED):
            self._lifecycle.move(state)
        self._run = self._runner = None

    async def stop(self) -> None:
        """Stop the sources, let what is in flight get out, close; within `stop_timeout`.

        Whoever waits for it may be cancelled; the end goes on.
        """
        run, runner = self._run, self._runner
        if run is None or runner is None:
            return
        if not run.is_stopping():
            self.PubSub.publish("bspump.pipeline.stop!", pipeline=self)
            run.stop()
        await self.Flow.stand_by(asyncio.wait([runner]))

    async def dispose(self) -> None:
        """Stop, and remove everything it left; it cannot be used again."""
        await self.stop()
        self._early.cancel()
        self._failures.close()
        for pipeline in list(self._ancestral_pipelines):
            self.unlink(pipeline)
        for source in self.Sources:
            for trigger in getattr(source, "Triggers", ()):
                trigger.remove(source)
                if not trigger.Sources:
                    trigger.close()
        self._accounts.close()

    def start_source(self, source: Source, /) -> None:
        """Run the source's `main()` in a task of the pipeline, unless one is running."""
        if self._run is None or self._run.is_stopping() or not self._lifecycle.is_active():
            return
        if source.is_finished():
            return
        if source.Task is None or source.Task.done():
            source.Task = self._run.spawn(self._run.run_source(source), name=source.Id)

    async def stop_source(self, source: Source, /) -> None:
        """Cancel the source's task and wait for its end."""
        if self._run is not None:
            await self._run.stop_source(source)

    async def pull(self, source: PullSource[Any, Any], /) -> None:
        """Drive a pull source: connect, read, back off, hand on, until it ends."""
        assert self._run is not None
        await self._run.pull(source)

    async def settle(self) -> None:
        """Wait until nothing is in flight and every sink has made durable what it has taken.

        Where a checkpoint makes it durable, one is taken: for transactional sinks, and for what
        processors and connected pipelines have taken.
        """
        if self.is_durable() or self.transactions():
            await self.checkpoint()
        else:
            await self.Flow.drained()
            await self.flush()

    async def flush(self) -> None:
        """Let sinks write what they have taken."""
        if self._run is not None:
            await self._run.flush()

    def transactions(self) -> list[TransactionDriver]:
        """Return the drivers of transactional sinks."""
        drivers = self._compilation.drivers.values()
        return [driver for driver in drivers if isinstance(driver, TransactionDriver)]

    def drivers_of_sources(self) -> dict[PullSource[Any, Any], SourceDriver]:
        """Return the drivers of its pull sources, as far as they run."""
        return {} if self._run is None else dict(self._run.pulls)

    def are_sinks_idle(self) -> bool:
        """Tell whether batch sinks have written all they took."""
        return all(driver.is_idle() for driver in self._compilation.drivers.values())

    def is_finished(self) -> bool:
        """Tell whether all input was bounded and has been delivered."""
        return self._is_finished

    def is_at_end(self) -> bool:
        """Tell whether all input was bounded and has been read."""
        return bool(self.Sources) and all(map(self._is_at_end, self.Sources))

    def check_finished(self) -> None:
        """Look again whether all sources have finished; one that has may call it."""
        if self._finishing is not None or not self._lifecycle.is_active():
            return
        if self.is_at_end():
            self._finishing = self._spawn(self._end_of_input())

    def _is_at_end(self, source: Source) -> bool:
        driver = None if self._run is None else self._run.pulls.get(source)  # type: ignore[call-overload]
        return source.is_finished() or (driver is not None and driver.is_at_end)

    async def _end_of_input(self) -> None:
        assert self._run is not None
        try:
            await self._run.end_of_input()
            await self.checkpoint()
            await self._run.sources_finished()
            # It is not done with its input as long as somebody has to look at what went wrong.
            await self.error_cleared()
        except BaseException:
            self._finishing = None
            raise
        self._is_finished = True
        self.PubSub.publish("bspump.pipeline.finished!", pipeline=self)
        self.App.PumpService.check_finished()

    def _move(self) -> None:
        """Let the state say what holds while it runs: failed, paused or running."""
        if not self._lifecycle.is_active():
            return
        if self.has_error():
            self._lifecycle.move(State.FAILED)
        else:
            self._lifecycle.move(State.PAUSED if self._throttles else State.RUNNING)

    def _changed(self, part: ProcessorBase | None = None) -> None:
        super()._changed(part)
        self._compilation.changed(part, self._run)

    def bind(self) -> None:
        """Let callers have the compiled functions: a method around them costs as much as they."""
        if self._run is not None and type(self).process is Pipeline.process:
            self.process = self.Flow.process  # type: ignore[assignment, method-assign]
        if self._run is not None and type(self).inject is Pipeline.inject:
            self.inject = self.Flow.chain.inject  # type: ignore[assignment, method-assign]

    def _unbind(self) -> None:
        for name in ("process", "inject"):
            vars(self).pop(name, None)

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        self._accounts.collect()
        return {**view.rest_get(self, self._failures.error), "Metrics": self._accounts.rest_get()}
