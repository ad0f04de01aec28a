"""The contracts of processors: what happens to an event between its source and its sink."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from .component import Component
from .options import Duration, Options, RetryOptions

if TYPE_CHECKING:
    from .host import Application, Context, Event, Pipeline


class ProcessorBase(Component):
    """What processors, generators and sinks have in common."""

    def release(self) -> None:
        """Hand on, by `self.Pipeline.inject`, what is still held: nothing more is to come.

        Called part by part in their order, each after everything before it has passed, when
        bounded input has ended and when the pipeline stops. Sinks are flushed afterwards. It may
        be called again, and events may come again if the pipeline is started again. What it
        raises is an error of the pipeline.
        """


class Processor(ProcessorBase):
    """Changes, enriches, counts or drops events, one at a time, without waiting.

    A processor may also define `process_batch(contexts, events)`: it gets a list of events
    and their contexts (`None` where no event has one yet) and returns a list of the same
    length, with `None` for what it consumed. It is all or nothing: when it raises, it has
    done nothing, and the engine hands the events to `process` one by one.
    """

    def process(self, context: Context, event: Event, /) -> Event | None:
        """Return the event, another one, or `None` if it goes no further.

        Called for every event, in their order, never concurrently. What it raises is the
        error of this event alone; `handle_error` of the pipeline decides what follows.
        """
        raise NotImplementedError(f"{type(self).__name__}.process")


class AsyncOptions(Options, frozen=True, kw_only=True):
    """How an asynchronous processor works."""

    concurrency: Annotated[int, Meta(ge=1, description="Events in flight at the most.")] = 100
    ordered: Annotated[bool, Meta(description="Events leave in the order in which they came.")] = (
        True
    )
    timeout: Annotated[
        Duration, Meta(description="Seconds that one attempt may take; 0: no limit.")
    ] = 30.0
    retry: RetryOptions = RetryOptions(attempts=1)
    cache_size: Annotated[
        int, Meta(ge=0, description="Results that are kept by `cache_key`; 0: none.")
    ] = 0
    cache_age: Annotated[
        Duration, Meta(description="Seconds after which a kept result is asked for again.")
    ] = 60.0


class AsyncProcessor(ProcessorBase):
    """Changes or enriches events by something that has to be waited for.

    Up to `concurrency` events are in flight; more hold the source back. They leave in order
    unless `ordered` is off. An attempt that takes longer than `timeout` or raises
    `TransientError` or `NotConnectedError` is repeated as `retry` says; then its error is the
    event's error. `open` and `close` frame the run of the pipeline.
    """

    OptionsClass: ClassVar[type[Options]] = AsyncOptions

    async def open(self) -> None:
        """Make clients and the like; called once before the first event of a run."""

    async def process(self, context: Context, event: Event, /) -> Event | None:
        """Return the event, another one, or `None` if it goes no further."""
        raise NotImplementedError(f"{type(self).__name__}.process")

    def cache_key(self, context: Context, event: Event, /) -> Any:
        """Return the key under which the result for `event` may be kept, `None` for never.

        Where this is overridden and `cache_size` is not 0, `process` returns what to keep and
        `apply` puts it into the event.
        """
        return None

    def apply(self, context: Context, event: Event, result: Any, /) -> Event | None:
        """Return what goes on, given what `process` returned or the cache had kept."""
        return result

    async def close(self) -> None:
        """Release what `open` made; called once, also after a cancel."""


class Generator(ProcessorBase):
    """Makes none, one or many events of one. `generate` may be written in three ways.

    * a plain method that returns a list, or a plain generator (`yield`): by far the fastest;
      what comes out goes on behind the generator, each with its own copy of the context.
    * a coroutine, as in the original: it calls `self.Pipeline.inject(context, event, depth)`
      for whatever it makes. It becomes a task of its own only if it really waits.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.PipelineDepth: int | None = None

    def set_depth(self, depth: int) -> None:
        """Tell the generator where it stands; the pipeline calls it when it is built."""
        self.PipelineDepth = depth

    def generate(self, context: Context, event: Event, depth: int, /) -> Any:
        """Make events of `event`; `depth` is where to inject them."""
        raise NotImplementedError(f"{type(self).__name__}.generate")
