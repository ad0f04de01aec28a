"""Trying events again that failed, while everything behind them waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import RejectedError
from bspump.abc.host import Context, Event
from bspump.abc.processor import Processor, ProcessorBase
from bspump.abc.sink import Sink

from .pieces import Piece
from .retry import Backoff

if TYPE_CHECKING:
    from .pipeline import Pipeline


class Repeat(Piece):
    """The way back of one event: into the chain at the processor where it failed."""

    __slots__ = ("backoff", "event", "part", "repeats")

    def __init__(
        self, repeats: Repeats, part: ProcessorBase, event: Event, backoff: Backoff
    ) -> None:
        self.repeats, self.part, self.event, self.backoff = repeats, part, event, backoff
        chain = repeats.pipeline.Flow.chain
        self.position = chain.processors.index(part)
        self.depth = chain.depth_of(self.position)

    def run(self, events: list[Event], contexts: Sequence[Context] | None) -> int:
        self.repeats.run(self, {} if contexts is None else contexts[0])
        return 1


class Repeats:
    """Tries events of one pipeline again, each as often and as fast as `error_retry` says.

    Meanwhile the event and all that would pass its processor behind it wait in their order;
    other pipelines go on. A stop does not lose it: it is kept with what the stop has left.

    Only processors and plain sinks are asked twice. A generator may have passed on some of what it
    makes, and asynchronous processors and batch sinks have a `retry` of their own.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._options = pipeline.Options.error_retry
        self._running: Repeat | None = None

    def run(self, repeat: Repeat, context: Context) -> None:
        """Let an event enter again."""
        outer, self._running = self._running, repeat
        try:
            self.pipeline.Flow.chain.entry(repeat.position)(context, repeat.event)
        finally:
            self._running = outer

    def keep(self, who: Any, context: Context, event: Event, error: BaseException) -> bool:
        """Keep an event to try it again; False if it is not to be."""
        flow = self.pipeline.Flow
        if self._options.attempts == 1 or flow.is_closed or not isinstance(who, Processor | Sink):
            return False
        if not isinstance(error, Exception) or isinstance(error, RejectedError):
            return False
        repeat = self._current(who, event)
        if repeat is None:
            repeat = Repeat(self, who, event, Backoff(self._options))
        wait_s = repeat.backoff.next_s(error)
        if wait_s is None:
            return False
        # It has not failed yet.
        flow.chain.counts.fails[repeat.position] -= 1
        reason = object()
        flow.gate.close(reason, upto=repeat.depth, announce=True)
        flow.backlog.hold(repeat, [event], [context])
        flow.run_uncounted(self._wait(reason, wait_s), _no_error)
        return True

    def tries(self, who: Any, event: Event) -> int:
        """Return how often `who` was given an event that has just failed for good."""
        repeat = self._current(who, event)
        return 1 if repeat is None else repeat.backoff.failures

    def _current(self, who: Any, event: Event) -> Repeat | None:
        repeat = self._running
        is_it = repeat is not None and repeat.part is who and repeat.event is event
        return repeat if is_it else None

    async def _wait(self, reason: object, wait_s: float) -> None:
        try:
            await self.pipeline.Clock.sleep(wait_s)
        finally:
            self.pipeline.Flow.gate.open(reason)


def _no_error(error: Exception) -> None:
    raise error  # `_wait` raises nothing, so what comes here is a bug.
