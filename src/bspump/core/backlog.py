"""Events that were on their way when the gate before them closed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from bspump.abc.host import Context, Event

from .gate import Gate
from .pieces import Piece, cut, once

_Held = tuple[Piece, list[Event], Sequence[Context] | None]


class Backlog:
    """Keeps such events in their order, and runs them before anything else may pass them.

    While there are any at a depth, they are themselves a reason for all that come later to wait.

    Args:
        gate: of the pipeline.
        schedule: calls a function in the next turn of the loop, outside of any chain.
        emptied: called when nothing is left.
    """

    def __init__(
        self,
        gate: Gate,
        schedule: Callable[[Callable[[], None]], object],
        emptied: Callable[[], None],
    ) -> None:
        self._gate, self._schedule, self._emptied = gate, schedule, emptied
        self._held: dict[int, deque[_Held]] = {}
        self._count = 0
        self._is_scheduled = False

    def __len__(self) -> int:
        """Return how many events wait."""
        return self._count

    def hold(self, piece: Piece, events: list[Event], contexts: Sequence[Context] | None) -> None:
        """Keep `events`, which are to go on at `piece`, behind all that are as far or further."""
        held = self._held.setdefault(piece.depth, deque())
        place = len(held)
        while place and held[place - 1][0].position < piece.position:
            place -= 1
        held.insert(place, (piece, events, contexts))
        self._count += len(events)
        self._gate.close((Backlog, piece.depth), upto=piece.depth)
        self.wake()

    def oldest(self, first: int, last: int) -> Iterator[Context]:
        """Yield the contexts of the oldest that wait from depth `first` to `last`."""
        for depth, held in self._held.items():
            if first <= depth <= last:
                for _, _, contexts in held:
                    yield next(iter(once(contexts) or [{}]))

    def is_empty(self, upto: int) -> bool:
        """Tell whether none wait at depths up to one."""
        return all(depth > upto for depth in self._held)

    def wake(self) -> None:
        """Look, soon, whether some of them can go on; to be called when the gate opens."""
        if self._held and not self._is_scheduled:
            self._is_scheduled = True
            self._schedule(self.release)

    def release(self) -> None:
        """Run what may run, from the end of the pipeline to its beginning."""
        self._is_scheduled = False
        for depth in sorted(self._held, reverse=True):
            self._release(depth)
        if not self._held:
            self._emptied()

    def _release(self, depth: int) -> None:
        waiting = self._held.pop(depth)
        # Quietly, for whoever is told of it would come here again.
        self._gate.open((Backlog, depth), quietly=True)
        try:
            while waiting and self._gate.is_open(depth):
                piece, events, contexts = waiting.popleft()
                total = len(events)
                self._count -= total
                taken = piece.run(events, contexts)
                if taken < total:
                    rest = cut(contexts, taken, total)
                    waiting.appendleft((piece, events[taken:], rest))
                    self._count += total - taken
        finally:
            if waiting:
                # What was held meanwhile is further on, so it comes first.
                self._held.setdefault(depth, deque()).extend(waiting)
                self._gate.close((Backlog, depth), upto=depth)

    def forget(self) -> int:
        """Drop all events, and return how many there were."""
        count, self._count = self._count, 0
        for depth in self._held:
            self._gate.open((Backlog, depth))
        self._held.clear()
        return count
