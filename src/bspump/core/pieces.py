"""The pieces of a compiled chain: what lists of events are run through, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bspump.abc.contexts import LazyContexts
from bspump.abc.host import Context, Event

if TYPE_CHECKING:
    from .chain import Chain


def cut(contexts: Sequence[Context] | None, start: int, stop: int) -> Sequence[Context] | None:
    """Return the contexts from `start` to `stop`, to go on with these alone."""
    if contexts is None:
        return None
    if isinstance(contexts, LazyContexts):
        return contexts.part(start, stop)
    return contexts[start:stop]


def once(contexts: Sequence[Context] | None) -> Iterable[Context] | None:
    """Return the contexts to go through them once, without keeping copies that are made."""
    return contexts.once() if isinstance(contexts, LazyContexts) else contexts


class Piece:
    """A stretch of the chain that lists are run through.

    Attributes:
        depth: the depth it belongs to.
        position: number of its first processor.
    """

    __slots__ = ("depth", "position")

    depth: int
    position: int

    def run(self, events: list[Event], contexts: Sequence[Context] | None) -> int:
        """Run events through, from here to the end; fewer are taken if the gate closes."""
        raise NotImplementedError


class Fused(Piece):
    """Processors that take one event at a time, fused into one loop.

    Of a list, one event in `every` is measured: so many in a row, at another place each time.
    """

    __slots__ = (
        "_chain",
        "_closed",
        "_every",
        "_hand_on",
        "_is_first",
        "_loop",
        "_offset",
        "_owed",
        "_timed",
    )

    def __init__(
        self, chain: Chain, depth: int, functions: tuple[Any, Any], *, is_first: bool, every: int
    ) -> None:
        self._chain, self.depth, self._is_first = chain, depth, is_first
        self._closed = chain.closed[depth]
        self._loop, self._timed = functions
        self._every, self._owed, self._offset = every, every - 1, 0
        self._hand_on: Piece | None = None

    def precede(self, piece: Piece) -> None:
        """Hand what comes out to `piece`."""
        self._hand_on = piece

    def run(self, events: list[Event], contexts: Sequence[Context] | None) -> int:
        if self._closed:
            return 0
        outs: list[Event] = []
        ctxs: list[Any] = []
        total = len(events)
        self._owed += total
        measured = self._owed // self._every
        self._owed -= measured * self._every
        if not measured:
            done = self._fast(events[:], contexts, outs, ctxs)
        else:
            self._offset = (self._offset + 37) % (total - measured + 1)
            done = self._measure(events, contexts, outs, ctxs, measured)
        if self._is_first:
            self._chain.counts.entered[self.depth] += done
        if outs:
            if self._hand_on is not None:
                self._chain.pass_on(self._hand_on, outs, ctxs)
            else:
                self._chain.spread(self.depth + 1, outs, ctxs)
        return done

    def _fast(
        self,
        events: list[Event],
        contexts: Sequence[Context] | None,
        outs: list[Event],
        ctxs: list[Any],
    ) -> int:
        """Run the loop; if the gate closes meanwhile, what is left is cut off `events`."""
        it = iter(events)
        loops = self._chain.loops
        loops.append((self.depth, it, events))
        try:
            self._loop(it, once(contexts), outs, ctxs)
        finally:
            loops.pop()
        return len(events)

    def _measure(
        self,
        events: list[Event],
        contexts: Sequence[Context] | None,
        outs: list[Event],
        ctxs: list[Context],
        measured: int,
    ) -> int:
        """Run the loop, with `measured` events from the offset on through its twin."""
        start = self._offset
        stop = start + measured
        done = 0
        if start:
            done = self._fast(events[:start], cut(contexts, 0, start), outs, ctxs)
        timed = self._timed
        own = cut(contexts, start, stop)
        while start <= done < stop and not self._closed:
            timed({} if own is None else own[done - start], events[done], outs, ctxs)
            done += 1
        if done == stop < (total := len(events)) and not self._closed:
            done += self._fast(events[stop:], cut(contexts, stop, total), outs, ctxs)
        return done


class Listed(Piece):
    """A part that takes whole lists; a list that it refuses goes through it one by one."""

    __slots__ = ("_chain", "_closed", "_is_first", "_many", "_next", "_number", "_single")

    def __init__(
        self,
        chain: Chain,
        depth: int,
        number: int,
        many: Callable[[Sequence[Context] | None, list[Event]], Sequence[Event | None] | None],
        single: Fused,
        *,
        is_first: bool,
    ) -> None:
        self._chain, self.depth, self._number = chain, depth, number
        self._closed = chain.closed[depth]
        self._many, self._single, self._is_first = many, single, is_first
        self._next: Piece | None = None

    def precede(self, piece: Piece) -> None:
        """Hand what comes out to `piece`."""
        self._next = piece
        self._single.precede(piece)

    def run(self, events: list[Event], contexts: Sequence[Context] | None) -> int:
        chain, counts, total = self._chain, self._chain.counts, len(events)
        if self._closed:
            return 0
        start = time.perf_counter()
        try:
            made = self._many(contexts, events)
        except Exception:  # noqa: BLE001 - one of them is at fault; singly it shows which
            return self._single.run(events, contexts)
        counts.spent[self._number] += time.perf_counter() - start
        counts.seen[self._number] += total
        if self._is_first:
            counts.entered[self.depth] += total
        if self._next is None:
            return total
        if made is None or len(made) != total:
            # They may have been processed, so they are not tried singly.
            error = TypeError(
                f"{chain.processors[self._number]!r}.process_batch: expected {total} results, "
                f"got {'None' if made is None else len(made)}"
            )
            chain.refuse(self._number, events, contexts, error)
            return total
        if isinstance(self._next, Listed):
            outs = [event for event in made if event is not None]
            if len(outs) < total:
                counts.drops[self._number] += total - len(outs)
                if contexts is not None:
                    pairs = zip(made, contexts, strict=True)
                    contexts = [context for event, context in pairs if event is not None]
        else:
            outs = made if isinstance(made, list) else list(made)
        if outs:
            chain.pass_on(self._next, outs, contexts)
        return total
