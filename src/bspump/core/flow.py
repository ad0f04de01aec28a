"""The way of events through one pipeline: chain, gate and what is in flight between them."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from bspump.abc.contexts import LazyContexts
from bspump.abc.event_time import BEGIN_MS, END_MS, WATERMARK
from bspump.abc.host import Application, Context, Event
from bspump.abc.processor import AsyncProcessor, ProcessorBase

from .backlog import Backlog
from .chain import Chain
from .eager import Eager, never_waits, run_at_once
from .gate import Gate
from .origins import marked, marking
from .pacer import Pacer
from .pieces import Piece, cut
from .segment import AsyncSegment

Caller = tuple[Callable[..., Any], Callable[..., Any] | None]
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a flow shares the loop.

    Args:
        every: one event in so many is measured.
        slice_s: after so many seconds without a break other tasks run.
        limit: tasks of generators and the like; more hold the pipeline back.
    """

    every: int
    slice_s: float
    limit: int


class Flow:
    """Runs events through, lets them wait where they must, and knows what is under way.

    Args:
        name: of the pipeline.
        app: the application.
        spawn: runs a coroutine in a task of the pipeline.
        failed: deals with the error of one event.
        caller: what to call for a part, for one event and for a list.
        flipped: called when the pipeline becomes ready or not.
        pace: how it shares the loop.
    """

    def __init__(
        self,
        name: str,
        app: Application,
        *,
        spawn: Spawn,
        failed: Callable[..., None],
        caller: Callable[[ProcessorBase], Caller],
        flipped: Callable[[bool], None],
        pace: Pace,
    ) -> None:
        self.name, self.clock = name, app.Clock
        self.failed, self.caller = failed, caller
        self.gate = Gate(flipped)
        self.backlog = Backlog(self.gate, app.Loop.call_soon, self.changed)
        self.gate.on_open, self.gate.on_wait = self._gate_opened, self.changed
        self.futures: set[asyncio.Task[Any]] = set()
        self.throttler: Hashable = object()
        self.chain: Chain
        self._pacer = Pacer(pace.slice_s)
        self._every, self._limit = pace.every, pace.limit
        self._eager = Eager(app.Loop, spawn)
        self._segments: list[AsyncSegment] = []
        self._changed = asyncio.Event()
        self._draining: set[Hashable] = set()
        # Watermarks of what asynchronous generators have begun, by their depth.
        self._apart: defaultdict[int, dict[asyncio.Task[Any], int]] = defaultdict(dict)
        self._marks = False
        self.is_closed = True

    def compile(
        self, processors: Sequence[Sequence[ProcessorBase]], *, marks_origin: bool = False
    ) -> None:
        """Compile `processors` into a new chain; nothing may be under way in the old one.

        Args:
            processors: by depth.
            marks_origin: contexts are to say which source brings the events.
        """
        old: Chain | None = getattr(self, "chain", None)
        self._segments = []
        self._apart.clear()
        self._marks = marks_origin
        self.chain = Chain(
            self.name, processors, self, self.gate, every=self._every, pacer=self._pacer
        )
        self.process = (
            marking(self.name, self.chain.process) if marks_origin else self.chain.process
        )
        if old is not None:
            old.discard()

    async def process_many(
        self, events: Sequence[Event], contexts: Sequence[Context] | None = None
    ) -> None:
        """Pass events through in order, see `Pipeline.process_many`."""
        total, done = len(events), 0
        if contexts is not None and len(contexts) != total:
            raise ValueError(f"expected {total} contexts, one for each event, got {len(contexts)}")
        events = events if isinstance(events, list) else list(events)
        if contexts is not None and not isinstance(contexts, list | LazyContexts):
            contexts = list(contexts)
        if self._marks:
            contexts = marked(self.name, events, contexts)
        pacer, gate = self._pacer, self.gate
        while done < total:
            # The break comes before the events, so that a cancel there leaves no doubt.
            if pacer.is_due():
                await self.breathe()
            if not gate.is_open():
                await gate.wait()
            stop = min(done + pacer.size, total)
            is_whole = stop - done == total
            start = time.perf_counter()
            taken = self.chain.run(
                events if is_whole else events[done:stop],
                contexts if is_whole else cut(contexts, done, stop),
            )
            pacer.took(taken, time.perf_counter() - start)
            done += taken

    async def breathe(self) -> None:
        """Let other tasks run."""
        await self.clock.sleep(0)
        self._pacer.rested()

    async def wait_and_process(self, event: Event, context: Context | None) -> None:
        """Wait for the gate, then pass one event through."""
        await self.gate.wait()
        await self.process(event, context)

    def hold_at(self, depth: int, event: Event, context: Context) -> None:
        """Keep one event that is to go on at `depth`. Raises ValueError if there is none."""
        self.backlog.hold(self.chain.first(depth), [event], [context])

    def hold(self, piece: Piece, events: list[Event], contexts: Sequence[Context] | None) -> None:
        """Keep events that could not go on because the gate before them closed."""
        self.backlog.hold(piece, events, contexts)

    def submitter(
        self, who: ProcessorBase, number: int, depth: int
    ) -> Callable[[Context, Event], None]:
        """Return what takes the events of an asynchronous part at the end of `depth`."""
        if isinstance(who, AsyncProcessor):
            segment = AsyncSegment(who, number, depth, self)
            self._segments.append(segment)
            return segment.submit
        generate: Callable[..., Coroutine[Any, Any, Any]] = getattr(who, "generate")  # noqa: B009
        if never_waits(generate):
            return run_at_once(generate, depth + 1)

        apart = self._apart[depth]

        def start(context: Context, event: Event) -> None:
            def failed(error: Exception) -> None:
                self.chain.counts.fails[number] += 1
                self.failed(who, context, event, error)

            if apart and WATERMARK in context:
                # What overtakes others carries no later a watermark than they do.
                context[WATERMARK] = min(context[WATERMARK], next(iter(apart.values())))
            task = self._eager.start(generate(context, event, depth + 1), failed)
            if task is not None:
                apart[task] = context.get(WATERMARK, END_MS)
                self.keep(task, depth)

        return start

    def run_uncounted(
        self, coro: Coroutine[Any, Any, Any], failed: Callable[[Exception], None]
    ) -> None:
        """Do the same for somebody who counts what is in flight himself."""
        self._eager.start(coro, failed)

    def keep(self, task: asyncio.Task[Any], depth: int = 0) -> None:
        """Count `task` as in flight until it is done; too many hold back what enters `depth`."""
        self.futures.add(task)
        task.add_done_callback(self._done)
        if len(self.futures) >= self._limit:
            self.gate.close(self.throttler, upto=depth)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.futures.discard(task)
        for apart in self._apart.values():
            apart.pop(task, None)
        if len(self.futures) < self._limit:
            self.gate.open(self.throttler)
        self.changed()

    def changed(self) -> None:
        """Take note that something which was under way is not any more."""
        self._changed.set()

    def under_way(self) -> int:
        """Return how many events or tasks are on their way through the pipeline.

        A task that waits to enter has not begun its way.
        """
        futures = len(self.futures - self.gate.waiting)
        return futures + len(self.backlog) + sum(map(len, self._segments))

    def earliest_ms(self, first: int, last: int) -> int:
        """Return the earliest watermark of what is on its way from depth `first` to `last`.

        Returns:
            `END_MS` if there is none, `BEGIN_MS` if nobody knows.
        """
        if self._unknown():
            return BEGIN_MS
        between = [segment for segment in self._segments if first <= segment.depth < last]
        contexts = [*self.backlog.oldest(first, last), *(s.oldest_context() for s in between)]
        times = [context.get(WATERMARK, END_MS) for context in contexts if context is not None]
        for depth, apart in self._apart.items():
            if apart and first <= depth < last:
                times.append(next(iter(apart.values())))
        return min(times, default=END_MS)

    def is_clear(self, upto: int) -> bool:
        """Tell whether nothing is on its way before depth `upto`."""
        return (
            not self._unknown()
            and self.backlog.is_empty(upto)
            and not any(len(segment) for segment in self._segments if segment.depth < upto)
            and not any(apart for depth, apart in self._apart.items() if depth < upto)
        )

    def _unknown(self) -> set[Any]:
        """Return tasks in flight of which nobody knows what they have in hand."""
        if not self.futures:
            return self.futures
        return self.futures.difference(self.gate.waiting, *self._apart.values())

    def _gate_opened(self) -> None:
        self.backlog.wake()
        self.changed()

    def keep_out(self, reason: Hashable) -> None:
        """Let nothing new enter; what has entered goes on."""
        self._draining.add(reason)
        self.gate.close(reason, upto=0)

    def let_in(self, reason: Hashable) -> None:
        """Undo `keep_out`."""
        self._draining.discard(reason)
        self.gate.open(reason)

    async def drained(self) -> None:
        """Keep new events out until nothing is under way.

        The task that waits for it does not count as under way. Several may wait.
        """
        reason = object()
        self.keep_out(reason)
        try:
            await self.stand_by(self.nothing_left())
        finally:
            self.let_in(reason)

    async def nothing_left(self) -> None:
        """Wait until nothing is under way; to be waited for by `stand_by`, after `keep_out`."""
        while self._is_something_left():
            self._changed.clear()
            await self._changed.wait()

    async def stand_by(self, work: Coroutine[Any, Any, Any]) -> None:
        """Wait for what ends when nothing is under way; who waits is not counted as such."""
        task = asyncio.current_task()
        self.gate.waiting.add(task)
        self.changed()
        try:
            await work
        finally:
            self.gate.waiting.discard(task)

    def _is_something_left(self) -> bool:
        """Let pass what waits at the entrance: it had entered before the draining began."""
        if len(self.backlog):
            for reason in self._draining:
                self.gate.open(reason, quietly=True)
            self.backlog.release()
            for reason in self._draining:
                self.gate.close(reason, upto=0)
        return self.under_way() > 0

    def resume(self) -> None:
        """Begin, and go on with what a stop has cut off."""
        self.is_closed = False
        for segment in self._segments:
            segment.resume()
        self.backlog.wake()

    def close(self) -> None:
        """Give up what is kept ready for events; what is under way stays for `resume`."""
        self.is_closed = True
        self._eager.close()

    def forget(self) -> int:
        """Drop what a stop has cut off, and return how many events that were."""
        return self.backlog.forget() + sum(segment.forget() for segment in self._segments)


def caller_of(part: object) -> Caller:
    """Return what to call of a part: `process`, and `process_batch` if that belongs to it.

    A subclass that overrides `process` alone must not be run by the `process_batch` of its base.
    """
    cls = type(part)
    many = getattr(part, "process_batch", None)
    if many is not None and _definer(cls, "process") < _definer(cls, "process_batch"):
        many = None
    return getattr(part, "process"), many  # noqa: B009 - typed by the kinds of processors


def _definer(cls: type, name: str) -> int:
    """Return how far up in the MRO `name` is defined."""
    return next((i for i, c in enumerate(inspect.getmro(cls)) if name in vars(c)), -1)
