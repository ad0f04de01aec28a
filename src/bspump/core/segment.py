"""An asynchronous processor at work: bounded, in order, with time-outs, retries and a cache."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import NotConnectedError, TransientError
from bspump.abc.event_time import WATERMARK
from bspump.abc.host import Context, Event
from bspump.abc.options import Options
from bspump.abc.processor import AsyncOptions, AsyncProcessor

from .retry import Backoff
from .tasks import cancelled

if TYPE_CHECKING:
    from .flow import Flow

_PENDING: Any = object()


class _Slot:
    """An event in flight, and what became of it."""

    __slots__ = ("context", "error", "event", "result")

    def __init__(self, context: Context, event: Event) -> None:
        self.context, self.event = context, event
        self.result: Any = _PENDING
        self.error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.result is not _PENDING or self.error is not None


class AsyncSegment:
    """Runs the events of one asynchronous processor, and hands on what comes out.

    At `concurrency` events in flight it closes the gate before it. Ordered, an event counts as
    in flight until all before it have left. Those that a stop has cut off stay in flight, and
    are begun again by `resume`.

    Attributes:
        depth: at whose end it stands.
    """

    def __init__(self, part: AsyncProcessor, number: int, depth: int, flow: Flow) -> None:
        options: Options = part.Options
        assert isinstance(options, AsyncOptions)
        self._part, self._number, self.depth, self._flow = part, number, depth, flow
        self._options = options
        self._clock = flow.clock
        self._in_order: deque[_Slot] = deque()
        self._in_flight: dict[_Slot, None] = {}
        self._cache: OrderedDict[Any, tuple[float, Any]] = OrderedDict()
        self._has_cache = (
            options.cache_size > 0 and type(part).cache_key is not AsyncProcessor.cache_key
        )

    def __len__(self) -> int:
        """Return how many events are in flight."""
        return len(self._in_flight)

    def oldest_context(self) -> Context | None:
        """Return the context of the event that has been in flight for the longest time."""
        return next(iter(self._in_flight)).context if self._in_flight else None

    def submit(self, context: Context, event: Event) -> None:
        """Take an event."""
        slot = _Slot(context, event)
        self._in_flight[slot] = None
        if self._options.ordered:
            self._in_order.append(slot)
        if len(self._in_flight) >= self._options.concurrency:
            self._flow.gate.close(self, upto=self.depth)
        self._flow.run_uncounted(self._work(slot), _no_error)

    def resume(self) -> None:
        """Begin again what was cut off."""
        for slot in [slot for slot in self._in_flight if not slot.is_done]:
            self._flow.run_uncounted(self._work(slot), _no_error)

    def forget(self) -> int:
        """Drop what was cut off, and return how many events that were."""
        count = len(self._in_flight)
        self._in_flight.clear()
        self._in_order.clear()
        self._flow.gate.open(self)
        return count

    async def _work(self, slot: _Slot) -> None:
        try:
            result = await self._result(slot.context, slot.event)
            if self._has_cache:
                result = self._part.apply(slot.context, slot.event, result)
        except Exception as error:  # noqa: BLE001 - it is the error of this event
            slot.error = error
        except asyncio.CancelledError as error:
            if self._flow.is_closed:
                raise
            # Nobody may wait for ever for an event because what it waited for was cancelled.
            slot.error = cancelled(error)
        else:
            slot.result = result
        self._leave(slot)

    async def _result(self, context: Context, event: Event) -> Any:
        if not self._has_cache:
            return await self._attempts(context, event)
        key = self._part.cache_key(context, event)
        if key is None:
            return await self._attempts(context, event)
        kept = self._cache.get(key)
        if kept is not None and self._clock.monotonic() - kept[0] < self._options.cache_age:
            self._cache.move_to_end(key)
            return kept[1]
        result = await self._attempts(context, event)
        self._cache[key] = (self._clock.monotonic(), result)
        self._cache.move_to_end(key)
        while len(self._cache) > self._options.cache_size:
            self._cache.popitem(last=False)
        return result

    async def _attempts(self, context: Context, event: Event) -> Any:
        backoff = Backoff(self._options.retry)
        timeout = self._options.timeout or None
        while True:
            try:
                if timeout is None:
                    return await self._part.process(context, event)
                async with asyncio.timeout(timeout):
                    return await self._part.process(context, event)
            except (TransientError, NotConnectedError, TimeoutError) as error:
                wait_s = backoff.next_s(error)
                if wait_s is None:
                    raise
                await self._clock.sleep(wait_s)

    def _leave(self, slot: _Slot) -> None:
        """Hand on `slot`, or in order everything that waited for it."""
        done: list[_Slot] = [] if self._options.ordered else [slot]
        while self._in_order and self._in_order[0].is_done:
            done.append(self._in_order.popleft())
        if not done:
            return
        for each in done:
            del self._in_flight[each]
            if not self._options.ordered:
                self._hold_time(each.context)
        try:
            self._hand_on(done)
        finally:
            if len(self._in_flight) < self._options.concurrency:
                self._flow.gate.open(self)
            self._flow.changed()

    def _hold_time(self, context: Context) -> None:
        """Let an event that overtakes others carry no later a watermark than they do."""
        oldest = self.oldest_context()
        if oldest is not None and WATERMARK in oldest and WATERMARK in context:
            context[WATERMARK] = min(context[WATERMARK], oldest[WATERMARK])

    def _hand_on(self, done: list[_Slot]) -> None:
        events: list[Event] = []
        contexts: list[Context] = []
        counts = self._flow.chain.counts
        for slot in done:
            if slot.error is not None:
                counts.fails[self._number] += 1
                self._flow.failed(self._part, slot.context, slot.event, slot.error)
            elif slot.result is None:
                counts.drops[self._number] += 1
            else:
                events.append(slot.result)
                contexts.append(slot.context)
        if events:
            self._flow.chain.forward(self.depth + 1, events, contexts)


def _no_error(error: Exception) -> None:
    raise error  # `_work` keeps errors, so what comes here is a bug.
