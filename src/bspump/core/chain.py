"""The hot path: the processors of a pipeline compiled into functions.

Nothing in here waits, takes a lock, formats a string or looks up a name for an event. A clock
is read for one event in `every`, in its place in the order; counts are exact all the same.
"""

from __future__ import annotations

import inspect
import linecache
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice
from typing import Any, Protocol

from bspump.abc.errors import ProcessingError
from bspump.abc.host import Context, Event
from bspump.abc.processor import AsyncProcessor, Generator, ProcessorBase

from .emit import DepthText, End, emit, emit_entry
from .gate import Gate
from .pacer import Pacer
from .pieces import Fused, Listed, Piece, cut

CHAIN = "<chain of"
"""So the names begin under which tracebacks show compiled chains."""

_serial = count(1)
_AT_A_TIME = 1000


class Host(Protocol):
    """What a chain needs of its pipeline."""

    def failed(
        self,
        who: ProcessorBase,
        context: Context,
        event: Event,
        exc: Exception,
        /,
        *,
        may_repeat: bool = True,
    ) -> None:
        """Deal with the error of one event."""

    def hold(self, piece: Piece, events: list[Event], contexts: Sequence[Context] | None) -> None:
        """Keep events that could not go on because the gate before them closed."""

    def hold_at(self, depth: int, event: Event, context: Context) -> None:
        """Keep one event that is to go on at `depth`, in this chain or its successor."""

    def submitter(
        self, who: ProcessorBase, number: int, depth: int
    ) -> Callable[[Context, Event], None]:
        """Return what takes the events of an asynchronous part, the processor `number`."""

    def caller(self, who: ProcessorBase) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
        """Return what to call for one event, and for a list of them if there is such a thing."""

    async def wait_and_process(self, event: Event, context: Context | None) -> None:
        """Wait for the gate, then process."""

    async def breathe(self) -> None:
        """Let other tasks run."""


@dataclass(slots=True)
class Counts:
    """Exact counts and sampled times, by the number of the processor; `entered` by depth."""

    entered: list[int]
    drops: list[int]
    fails: list[int]
    spent: list[float]
    seen: list[int]

    @classmethod
    def zero(cls, depths: int, processors: int) -> Counts:
        """Return counts of nothing."""
        n = processors
        return cls([0] * depths, [0] * n, [0] * n, [0.0] * n, [0] * n)


class Chain:
    """A compiled pipeline.

    Args:
        name: of the pipeline, for tracebacks.
        processors: list of lists; each but the last ends in a generator or an asynchronous
            processor.
        every: one event in so many is measured.
        pacer: tells when to let other tasks run.
    """

    def __init__(
        self,
        name: str,
        processors: Sequence[Sequence[ProcessorBase]],
        host: Host,
        gate: Gate,
        *,
        every: int,
        pacer: Pacer,
    ) -> None:
        self.processors = [part for depth in processors for part in depth]
        self.lengths = [len(depth) for depth in processors]
        self.counts = Counts.zero(len(processors), len(self.processors))
        self.loops: list[tuple[int, Any, list[Event]]] = []
        self.closed = gate.renew(len(processors), self.interrupt)
        self._host, self._every, self._pace = host, every, pacer.pace
        self._stride = 1
        self._namespace: dict[str, Any] = {
            **{f"closed{d}": reasons for d, reasons in enumerate(self.closed)},
            "drops": self.counts.drops,
            "entered": self.counts.entered,
            "spent": self.counts.spent,
            "seen": self.counts.seen,
            "now": time.perf_counter,
            "fail": self._fail,
            "survived": _survived,
            "fan": self.fan,
            "flush": self.flush,
            "chain": chain,
            "hold": self._hold_one,
            "wait": host.wait_and_process,
            "breathe": host.breathe,
            "due": pacer.was_due,
            "paced": self._paced,
        }
        self._lists: dict[int, Callable[..., Any]] = {}
        self._name, self._entries = name, dict[int, Callable[[Context, Event], None]]()
        self._depths = depths = self._plan(processors)
        text = emit(depths, list(self._namespace))
        self._calls: Mapping[int, int] = text.calls
        functions = self._compile("\n".join(text.lines), self._namespace)
        self.process: Callable[..., Awaitable[None]] = functions["process"]
        self.inject: Callable[[Context | None, Event, int], None] = functions["inject"]
        self._injected: Callable[[], list[int]] = functions["injected"]
        self._waiting: Callable[[], int] = functions["waiting"]
        self._expire: Callable[[], int] = functions["expire"]
        self._ones: list[Callable[[Context, Event], None]] = [
            functions[f"one{d}"] for d in range(len(depths))
        ]
        self._firsts = [self._link(d, depth, functions) for d, depth in enumerate(depths)]
        # Without parts that take lists, one event can be measured without the detour by a list.
        self._timed = functions["timed0_0"] if depths[0].is_plain else None

    def _plan(self, processors: Sequence[Sequence[ProcessorBase]]) -> list[DepthText]:
        """Decide where the chain is cut, and collect what the text calls."""
        depths, first = [], 0
        for d, parts in enumerate(processors):
            is_last = d == len(processors) - 1
            end: End = "end"
            if not is_last:
                end = "async" if is_asynchronous(parts[-1]) else "split"
                if end == "async":
                    self._namespace[f"a{d}"] = self._host.submitter(
                        parts[-1], first + len(parts) - 1, d
                    )
                else:
                    self._namespace[f"g{d}"] = getattr(parts[-1], "generate")  # noqa: B009
                called = parts[:-1]
            else:
                called = parts
                if parts and is_sink(parts[-1]):
                    end = "sink"
            takes_lists = []
            for i, part in enumerate(called):
                one, many = self._host.caller(part)
                self._namespace[f"p{d}_{i}"] = one
                takes_lists.append(many is not None)
                if many is not None:
                    self._lists[first + i] = many
            depths.append(DepthText(first, len(called), end, _pieces(takes_lists, end)))
            first += len(parts)
        return depths

    def _compile(self, source: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
        filename = f"{CHAIN} {self._name} #{next(_serial)}>"
        # Registered, so that tracebacks show the lines, for as long as there is the chain.
        lines = source.splitlines(keepends=True)
        linecache.cache[filename] = (len(source), None, lines, filename)
        weakref.finalize(self, linecache.cache.pop, filename, None).atexit = False
        scope: dict[str, Any] = {}
        exec(compile(source, filename, "exec"), scope)  # noqa: S102 - our own text
        made: dict[str, Any] = scope["make"](**namespace)
        return made

    def entry(self, number: int) -> Callable[[Context, Event], None]:
        """Return what runs one event through from the processor `number` on.

        It asks no gate, counts nothing as entered, and is compiled when it is first asked for.
        """
        if number not in self._entries:
            text = emit_entry(self._depths, number, list(self._namespace))
            namespace = {**self._namespace, "fail": partial(self._fail, calls=text.calls)}
            self._entries[number] = self._compile("\n".join(text.lines), namespace)["enter"]
        return self._entries[number]

    def depth_of(self, number: int) -> int:
        """Return the depth to which the processor `number` belongs."""
        return next(
            d for d in reversed(range(len(self._depths))) if self._depths[d].first <= number
        )

    def entered(self) -> list[int]:
        """Return how many events have entered each depth."""
        entered = [n + m for n, m in zip(self.counts.entered, self._injected(), strict=True)]
        entered[0] += self._stride - self._waiting()
        return entered

    def discard(self) -> None:
        """Send whoever still calls this chain to its successor."""
        for reasons in self.closed:
            reasons.add(Chain)

    def _link(self, d: int, depth: DepthText, functions: dict[str, Any]) -> Piece:
        made: list[Fused | Listed] = []
        for k, (start, _, takes_lists) in enumerate(depth.pieces):
            pair = (functions[f"many{d}_{k}"], functions[f"timed{d}_{k}"])
            piece: Fused | Listed = Fused(self, d, pair, is_first=k == 0, every=self._every)
            if takes_lists and isinstance(piece, Fused):
                number = depth.first + start
                piece.position = number
                piece = Listed(self, d, number, self._lists[number], piece, is_first=k == 0)
            piece.position = depth.first + start
            if made:
                made[-1].precede(piece)
            made.append(piece)
        return made[0]

    def run(self, events: list[Event], contexts: Sequence[Context] | None) -> int:
        """Run events through from the start; returns how many were taken before a close."""
        return self._firsts[0].run(events, contexts)

    def one(self, depth: int, context: Context, event: Event) -> None:
        """Run one event through from `depth` on, or hold it if the gate is closed."""
        if self.closed[depth]:
            self._hold_one(depth, context, event)
        else:
            self._ones[depth](context, event)

    def first(self, depth: int) -> Piece:
        """Return where `depth` begins. Raises ValueError if there is no such depth."""
        if not 0 <= depth < len(self._firsts):
            raise ValueError(f"expected a depth from 0 to {len(self._firsts) - 1}, got {depth!r}")
        return self._firsts[depth]

    def _hold_one(self, depth: int, context: Context, event: Event) -> None:
        self._host.hold_at(depth, event, context)

    def interrupt(self, upto: int) -> None:
        """Let loops up to a depth end at their next event; the gate calls it when it closes."""
        self._settle(self._expire())
        for depth, it, events in self.loops:
            if depth <= upto and (left := it.__length_hint__()):
                del events[-left:]

    def fan(self, depth: int, events: Iterable[Event], context: Context) -> None:
        """Run what was made of one event through from `depth` on, a thousand at a time.

        What was made before `events` raised goes on all the same.
        """
        items, is_last = iter(events), False
        while not is_last:
            made: list[Event] = []
            try:
                made.extend(islice(items, _AT_A_TIME))
            finally:
                is_last = len(made) < _AT_A_TIME
                if made:
                    contexts = [context.copy() for _ in made] if context else None
                    self.pass_on(self._firsts[depth], made, contexts)

    def flush(self, depth: int, made: list[Event] | None, spans: list[tuple[Context, int]]) -> None:
        """Run through what has been collected, before something that is not may pass it."""
        if made:
            self.spread(depth, made[:], spans)
            made.clear()
            spans.clear()

    def spread(self, depth: int, made: list[Event], spans: list[tuple[Context, int]]) -> None:
        """Run what a generator has made of a list of events through from `depth` on.

        Args:
            depth: behind the generator.
            made: of all events.
            spans: for each event its context, and how many were made of it.
        """
        contexts: list[Context] | None = None
        if any(context for context, _ in spans):
            contexts = [context.copy() for context, n in spans for _ in range(n)]
        self.pass_on(self._firsts[depth], made, contexts)

    def forward(self, depth: int, events: list[Event], contexts: list[Context]) -> None:
        """Run events through from `depth` on."""
        self.pass_on(self._firsts[depth], events, contexts)

    def pass_on(
        self, piece: Piece, events: list[Event], contexts: Sequence[Context] | None
    ) -> None:
        """Run events through `piece`, hold what it does not take."""
        taken = piece.run(events, contexts)
        if taken < (total := len(events)):
            self._host.hold(piece, events[taken:], cut(contexts, taken, total))

    def _settle(self, left: int) -> int:
        """Count what `process` took since it came here last, `left` before it was to again."""
        taken = self._stride - left
        self.counts.entered[0] += taken
        self._stride = 1
        return taken

    def _paced(self, event: Event, context: Context | None, left: int) -> int:
        """Measure one event of `process`; return after how many to come here again."""
        taken = self._settle(left)
        copied = {} if context is None else context.copy()
        if self._timed is not None:
            self.counts.entered[0] += 1
            self._timed(copied, event, None, None)
        else:
            self._ones[0](copied, event)
        if not self.closed[0]:
            self._stride = min(self._pace(taken + 1), self._every)
        return self._stride

    def refuse(
        self,
        number: int,
        events: list[Event],
        contexts: Sequence[Context] | None,
        error: Exception,
    ) -> None:
        """Report an error of the processor `number` for each of `events`."""
        self.counts.fails[number] += len(events)
        for i, event in enumerate(events):
            context = {} if contexts is None else contexts[i]
            # They may have been processed, so they are not tried again.
            self._host.failed(self.processors[number], context, event, error, may_repeat=False)

    def _fail(
        self,
        context: Context,
        event: Event,
        exc: Exception,
        calls: Mapping[int, int] | None = None,
    ) -> None:
        # The first frame is the compiled function's own; its line tells which call it was.
        trace, calls = exc.__traceback__, self._calls if calls is None else calls
        number = calls.get(trace.tb_lineno, 0) if trace is not None else 0
        self.counts.fails[number] += 1
        self._host.failed(self.processors[number], context, event, exc)


def _survived() -> None:
    raise ProcessingError("incomplete pipeline: the event was not consumed by a sink")


def _pieces(takes_lists: Sequence[bool], end: End) -> list[tuple[int, int, bool]]:
    """Group parts that take one event at a time; each that takes lists stands alone."""
    pieces: list[tuple[int, int, bool]] = []
    for i, takes in enumerate(takes_lists):
        if takes or not pieces or pieces[-1][2]:
            pieces.append((i, i + 1, takes))
        else:
            pieces[-1] = (pieces[-1][0], i + 1, False)
    # What ends a depth takes one event at a time, so a list before it needs a piece behind it.
    if not pieces or (pieces[-1][2] and end != "sink"):
        pieces.append((len(takes_lists), len(takes_lists), False))
    return pieces


def is_sink(part: ProcessorBase) -> bool:
    """Tell whether a part is a destination."""
    from bspump.abc.sink import BatchSink, Sink

    return isinstance(part, Sink | BatchSink)


def is_asynchronous(part: ProcessorBase) -> bool:
    """Tell whether a part may wait: an asynchronous processor, or a coroutine `generate`."""
    if isinstance(part, AsyncProcessor):
        return True
    return isinstance(part, Generator) and inspect.iscoroutinefunction(part.generate)


def ends_depth(part: ProcessorBase) -> bool:
    """Tell whether what follows `part` is another depth."""
    return isinstance(part, AsyncProcessor | Generator)
