"""Events that were set aside, and those that came back, since the last checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from bspump.abc.dead_letters import DeadLetter
from bspump.abc.host import Event

if TYPE_CHECKING:
    from .pipeline import Pipeline

MOST_LETTERS: Final = 1000
"""When so many wait, a checkpoint is asked for; at twice as many, nothing enters until then."""

MOST_BYTES: Final = 16 * 1024**2
"""The same for their size."""

_LOOKED_AT = 1000
"""Of an event so many values are measured; those that follow count as much on average."""


class Asides:
    """Keeps dead letters of one pipeline until a checkpoint stores them with its epoch.

    So a letter is there exactly once, and the one that was replayed is marked as such in the same
    epoch that has what became of it.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._letters: list[DeadLetter] = []
        self._size_bytes = 0
        self._replayed: list[int] = []
        self._makes_way = False
        self._entering = 0
        # The events are kept, for the `id` of one that is gone may be that of another.
        self._attempts: dict[int, tuple[Event, int]] = {}

    def add(self, letter: DeadLetter) -> None:
        """Keep a letter until `take`."""
        self._letters.append(letter)
        self._size_bytes += size_of(letter)
        if self._is_over(1):
            self._pipeline.request_checkpoint()
        self._hold_back()

    def replay(self, letter: DeadLetter, enter: Callable[[], None]) -> None:
        """Let the event of a letter enter, by a call that does not wait, as one that comes again.

        Together with what becomes of it, the letter is marked as replayed.
        """
        self._replayed.append(letter.id)
        self._attempts[id(letter.event)] = (letter.event, letter.attempts)
        self._entering = letter.attempts
        try:
            enter()
        finally:
            self._entering = 0

    def attempts_before(self, event: Event) -> int:
        """Return how often it was tried to process `event` before it came back; 0 if it did not."""
        return self._entering or self._attempts.get(id(event), (None, 0))[1]

    def make_way(self, makes_way: bool) -> None:
        """Let a source pass on what it has in hand: a checkpoint waits for it; or no longer."""
        self._makes_way = makes_way
        if makes_way:
            self._pipeline.Flow.let_in(self)
        else:
            self._hold_back()

    def _hold_back(self) -> None:
        """Let nothing enter while too much waits."""
        if self._is_over(2) and not self._makes_way:
            self._pipeline.Flow.keep_out(self)

    def is_something_new(self) -> bool:
        """Tell whether there is something to take."""
        return bool(self._letters or self._replayed)

    def take(self) -> list[DeadLetter]:
        """Return the letters since the last call; they are stored with the epoch.

        To be called while nothing is on its way.
        """
        letters, self._letters = self._letters, []
        self._size_bytes = 0
        self._attempts.clear()
        self._pipeline.Flow.let_in(self)
        return letters

    def take_replayed(self) -> list[int]:
        """Return the ids of letters that were replayed since the last call."""
        replayed, self._replayed = self._replayed, []
        return replayed

    def _is_over(self, times: int) -> bool:
        return len(self._letters) >= times * MOST_LETTERS or self._size_bytes >= times * MOST_BYTES


def size_of(letter: DeadLetter) -> int:
    """Return about how many bytes a letter takes up."""
    texts = len(letter.traceback) + len(letter.error_text)
    return texts + _size(letter.event) + _size(letter.context)


def _size(value: Any) -> int:
    """Return about how many bytes a value takes up, without looking at all of a large one."""
    containers = leaves = seen = unseen = 0
    waiting: list[Any] = [value]
    inner: Iterable[Any]
    for _ in range(_LOOKED_AT):
        if not waiting:
            break
        each = waiting.pop()
        if isinstance(each, Mapping):
            inner, count = chain.from_iterable(each.items()), 2 * len(each)
        elif isinstance(each, list | tuple | set | frozenset):
            inner, count = each, len(each)
        else:
            leaves += sys.getsizeof(each, 64)
            seen += 1
            continue
        containers += sys.getsizeof(each, 64)
        waiting += islice(inner, _LOOKED_AT)
        unseen += max(0, count - _LOOKED_AT)
    average = leaves // seen if seen else 0
    return containers + leaves + average * (unseen + len(waiting))
