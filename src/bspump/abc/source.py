"""The contracts of sources: where events come from."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Self, TypeVar

from msgspec import Meta

from .capabilities import Can
from .component import Component
from .options import Duration, Options, RetryOptions

if TYPE_CHECKING:
    from .host import Application, Context, Event, Pipeline
    from .trigger import Trigger

OptionsT = TypeVar("OptionsT", bound="PullOptions")
P = TypeVar("P")


class Source(Component):
    """Brings events into a pipeline; `main()` is a task of the main loop.

    The task belongs to the pipeline: it is started with it, cancelled when it stops, and run
    again when an error is cleared after which `main()` had ended.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Task: asyncio.Task[Any] | None = None

    async def main(self) -> None:
        """Bring events in. Await `self.Pipeline.ready()` before producing.

        Cancelling is how it is stopped: let `CancelledError` pass, clean up in `finally`.
        What else it raises is an error of the pipeline.
        """
        raise NotImplementedError(f"{type(self).__name__}.main")

    async def process(self, event: Event, context: Context | None = None) -> None:
        """Pass one event into the pipeline; see `Pipeline.process`."""
        await self.Pipeline.process(event, context)

    async def stopped(self) -> None:
        """Wait until the source is stopped; for sources that are driven by callbacks."""
        await asyncio.get_running_loop().create_future()

    def start(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Start `main()`, unless it runs; the pipeline calls it."""
        self.Pipeline.start_source(self)

    async def stop(self) -> None:
        """Cancel `main()` and wait for its end; the pipeline calls it."""
        await self.Pipeline.stop_source(self)

    def restart(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Start `main()` again if it has ended; a running one is left alone."""
        self.Pipeline.start_source(self)

    def is_finished(self) -> bool:
        """Tell whether the source had bounded input and has delivered all of it."""
        return False

    def feeders(self) -> Collection[Pipeline]:
        """Return the pipelines whose events come out of this source; they are stopped first."""
        return ()

    def possible_feeders(self) -> Collection[Pipeline]:
        """Return those, and others that have sent nothing yet, but might."""
        return self.feeders()

    def partitions(self) -> Collection[tuple[Any, ...]] | None:
        """Return what it reads of that has a time of its own, such as the partitions of a topic.

        They are named as contexts of events name them: `(topic, partition)`. `None` if there is
        no such thing, or nobody knows.
        """
        return None

    async def emptied(self) -> None:
        """Wait until all that came from other pipelines was passed on, or cannot be now."""

    def progress(self) -> tuple[float, float | None, str] | None:
        """Return (done, total, unit) of bounded input, `None` where there is no such thing."""
        return None

    def locate_address(self) -> str:
        """Return the address under which `PumpService.locate` finds it."""
        return f"{self.Pipeline.Id}.*{self.Id}"

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        return {"Id": self.Id, "Class": type(self).__name__}


class TriggerSource(Source):
    """Brings events in by cycles; each is started by one of the source's triggers.

    A trigger that fires in the middle of a cycle is absorbed. `main` may be overridden to open
    a resource: what it passes to `super().main(...)` is handed to every `cycle(...)`.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.TriggerEvent = asyncio.Event()
        self.Triggers: set[Trigger] = set()

    def on(self, trigger: Trigger) -> Self:
        """Let `trigger` start cycles of this source; returns the source, for chaining."""
        trigger.add(self)
        self.Triggers.add(trigger)
        return self

    async def cycle(self, *args: Any, **kwargs: Any) -> None:
        """Bring in what there is now. What it raises is an error of the pipeline."""
        raise NotImplementedError(f"{type(self).__name__}.cycle")

    async def main(self, *args: Any, **kwargs: Any) -> None:
        """Run a cycle whenever a trigger fires, until cancelled."""
        publish = self.Pipeline.PubSub.publish
        for trigger in list(self.Triggers):
            trigger.start()
        while True:
            await self.Pipeline.ready()
            await self.TriggerEvent.wait()
            publish("bspump.pipeline.cycle_begin!", pipeline=self.Pipeline)
            try:
                await self.cycle(*args, **kwargs)
            except asyncio.CancelledError:
                publish("bspump.pipeline.cycle_canceled!", pipeline=self.Pipeline)
                raise
            except Exception as error:  # noqa: BLE001 - the owner of a cycle's error is the pipeline
                self.Pipeline.set_error(None, None, error)
            publish("bspump.pipeline.cycle_end!", pipeline=self.Pipeline)
            self.TriggerEvent.clear()
            for trigger in list(self.Triggers):
                trigger.done(self)

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        return {**super().rest_get(), "triggered": self.TriggerEvent.is_set()}


@dataclass(frozen=True, slots=True)
class Chunk(Generic[P]):
    """What one read returned.

    Args:
        events: in their order; empty means that there is nothing now.
        position: where to read on; plain data (numbers, strings, dicts of them).
        contexts: one for each event, or `None`.
        is_last: the input is bounded and this was its end.
    """

    events: Sequence[Any]
    position: P
    contexts: Sequence[dict[str, Any]] | None = None
    is_last: bool = False


class PullOptions(Options, frozen=True, kw_only=True):
    """What every pull source can be told."""

    idle: Annotated[Duration, Meta(description="Wait after a read that found nothing.")] = 0.5
    retry: RetryOptions = RetryOptions()


class PullSource(Source, Generic[OptionsT, P]):
    """A source that answers reads; the engine loops, backs off, reconnects and remembers.

    `read` is a function of the position: nothing is to be reset after a crash and nothing is
    lost when it is cancelled.

    Attributes:
        Position: up to where events were passed on; from the checkpoint at the first `connect`.
        DurablePosition: up to where everything is durable, as far as a checkpoint has said.
    """

    OptionsClass: ClassVar[type[Options]] = PullOptions
    Capabilities: ClassVar[Can] = Can.NOTHING
    Options: OptionsT

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Position: P | None = None
        self.DurablePosition: P | None = None
        self._is_finished = False

    async def connect(self) -> None:
        """Connect or open.

        Raises:
            NotConnectedError, TransientError: not possible now; the engine tries again.
            ConfigError: it can never work; the pipeline stops with this error.
        """

    async def read(self, position: P | None, /) -> Chunk[P]:
        """Return what comes after `position`; `None` is the start that the options name.

        Waiting for a short while is fine, and being cancelled meanwhile must lose nothing.

        Raises:
            NotConnectedError: connect again, then read from the same position.
            TransientError: read from the same position later.
        """
        raise NotImplementedError(f"{type(self).__name__}.read")

    async def acknowledge(self, position: P, /) -> None:
        """Take note that everything up to `position` is durable; may come more than once."""

    async def close(self) -> None:
        """Release what `connect` made; called after a cancel too, and before each reconnect."""

    async def main(self) -> None:
        """Let the engine drive; ends when the input is bounded and delivered."""
        await self.Pipeline.pull(self)

    def is_finished(self) -> bool:
        """Tell whether the bounded input has been delivered."""
        return self._is_finished

    def finish(self) -> None:
        """Take note that the bounded input has been delivered; the engine calls it."""
        self._is_finished = True
