"""Sources that take the events of other pipelines: by a queue, or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.options import Options
from bspump.abc.state import PartState, Snapshot

from .copying import copied
from .linking import LinkedSource

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class InternalOptions(Options, frozen=True, kw_only=True):
    """How much the queue holds."""

    queue_max_size: Annotated[int, Meta(ge=1, description="Events in the queue at the most.")] = (
        1000
    )
    backpressure: Annotated[
        float,
        Meta(gt=0, le=1, description="Share of the queue at which senders are held back."),
    ] = 0.8


class InternalSource(LinkedSource):
    """Emit what routers of other pipelines send, or the program puts, in that order.

    Events wait in a queue of `queue_max_size`; as many again may be on their way into the
    pipeline. From `backpressure` of that size on, the pipelines of the routers are held back and
    `bspump.InternalSource.backpressure_on!` is published on the pipeline, `…backpressure_off!`
    when there is room again.

    It has finished when every pipeline that feeds it has. When the application stops, senders
    stop first and the queue is emptied; what could not be passed on is counted in the log. A
    checkpoint waits until the queue is empty; where pipelines feed each other in a circle it
    keeps what is in it. Without checkpoints that outlive the process, a crash loses the queue.
    """

    OptionsClass = InternalOptions
    Options: InternalOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._size = self.Options.queue_max_size
        self._limit = max(1, int(self._size * self.Options.backpressure))
        self._events: list[Event] = []
        self._ancestors: list[Context] = []
        self._in_hand = 0
        self._is_stopped = False
        self._is_kept = False
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()
        self._moved = asyncio.Event()
        pipeline.PubSub.subscribe("bspump.pipeline.error!", self._on_error)

    def put(
        self,
        context: Context,
        event: Event,
        copy_context: bool = False,
        copy_event: bool = False,
    ) -> None:
        """Put an event into the queue.

        Raises:
            asyncio.QueueFull: it is full; the event was not taken.
        """
        if len(self._events) >= self._size:
            raise asyncio.QueueFull(
                f"{self.locate_address()}: the queue is full, queue_max_size={self._size}"
            )
        self.accept(
            context.copy() if copy_context else context, copied(event) if copy_event else event
        )

    async def put_async(
        self,
        context: Context,
        event: Event,
        copy_context: bool = False,
        copy_event: bool = False,
    ) -> None:
        """Put an event into the queue, and wait while it is full; a cancel takes nothing."""
        while len(self._events) >= self._size:
            self._taken.clear()
            await self._taken.wait()
        self.put(context, event, copy_context, copy_event)

    def accept(self, context: Context, event: Event) -> None:
        events = self._events
        events.append(event)
        self._ancestors.append(context)
        count = len(events)
        if count == 1:
            self._fill()
        if count >= self._limit:
            self._press()

    def accept_many(self, contexts: Sequence[Context] | None, events: Sequence[Event]) -> None:
        count = len(self._events) + len(events)
        if count > self._size:
            raise asyncio.QueueFull(f"{self.locate_address()}: no room for {len(events)} events")
        self._events += events
        self._ancestors += [{} for _ in events] if contexts is None else contexts
        self._fill()
        if count >= self._limit:
            self._press()

    def _fill(self) -> None:
        self._filled.set()
        if self._is_stopped:
            self.Pipeline.L.warning("events came after the stop", source=self.Id)

    def is_idle(self) -> bool:
        return not self._events and not self._in_hand

    async def main(self) -> None:
        self._in_hand = 0
        self._is_stopped = False
        while True:
            await self._filled.wait()
            await self.Pipeline.ready()
            self._filled.clear()
            events, self._events = self._events, []
            contexts = [{"ancestor": context} for context in self._ancestors]
            self._ancestors = []
            self._in_hand = len(events)
            self._taken.set()
            self._relieve()
            await self.Pipeline.process_many(events, contexts)
            self._in_hand = 0
            self._moved.set()
            if self._routers and all(pipeline.is_finished() for pipeline in self.feeders()):
                self.Pipeline.check_finished()

    async def stop(self) -> None:
        """Pass on what is in the queue, unless the pipeline has an error, and end `main()`."""
        try:
            await self.emptied()
            await super().stop()
        finally:
            self._is_stopped = True
            if not self.is_idle():
                self.Pipeline.L.warning(
                    "events were left in the queue", source=self.Id, count=self._left()
                )

    async def emptied(self) -> None:
        while self._is_running() and not self.is_idle() and not self.Pipeline.has_error():
            self._moved.clear()
            await self._moved.wait()

    def snapshot(self) -> Snapshot | None:
        if not self._events and not self._is_kept:
            return None
        self._is_kept = bool(self._events)
        return Snapshot(value=list(map(list, zip(self._ancestors, self._events, strict=True))))

    def restore(self, state: PartState) -> None:
        for context, event in state.value:
            self.accept(context, event)
        self._is_kept = True

    def _is_running(self) -> bool:
        return self.Task is not None and not self.Task.done()

    def _left(self) -> int:
        return len(self._events) + self._in_hand

    def _on_error(self, _message: str, **_kwargs: Any) -> None:
        self._moved.set()

    def rest_get(self) -> dict[str, Any]:
        return {
            **super().rest_get(),
            "Queue": len(self._events),
            "BackPressure": self.BackPressure,
        }


class DirectSource(LinkedSource):
    """Emit what routers send, or the program puts, at once and without a queue.

    `put` returns when the event has passed the pipeline, or waits in it for something. It does
    not ask whether the pipeline is ready, but an event that comes while it is not holds the
    pipelines of the routers back until it is.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._pressed = asyncio.Event()

    def put(
        self,
        context: Context,
        event: Event,
        copy_context: bool = False,
        copy_event: bool = False,
    ) -> None:
        """Pass an event through the pipeline now."""
        self.accept(
            context.copy() if copy_context else context, copied(event) if copy_event else event
        )

    def accept(self, context: Context, event: Event) -> None:
        self.Pipeline.inject({"ancestor": context}, event, 0)
        if not self.Pipeline.is_ready():
            self._press()
            self._pressed.set()

    def accept_many(self, contexts: Sequence[Context] | None, events: Sequence[Event]) -> None:
        for index, event in enumerate(events):
            self.accept({} if contexts is None else contexts[index], event)

    def is_idle(self) -> bool:
        return not self.Pipeline.under_way()

    async def main(self) -> None:
        while True:
            await self._pressed.wait()
            await self.Pipeline.ready()
            self._pressed.clear()
            self._relieve()
