"""Times to wait for, the earliest first."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from .event_time import END_MS

_SLACK = 1000


class TimerQueue:
    """Entries of (time, key, name); those of the same time come in the order in which they came.

    An entry is a reminder to look at what it names: whoever takes it decides whether it still
    means something. So a timer that is moved to a later time needs no new entry.

    Attributes:
        due_ms: the earliest time.
    """

    __slots__ = ("_entries", "_numbers", "due_ms")

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, Any, str]] = []
        self._numbers = count()
        self.due_ms = END_MS

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, at_ms: int, key: Any, name: str) -> None:
        """Add an entry."""
        heappush(self._entries, (at_ms, next(self._numbers), key, name))
        self.due_ms = min(self.due_ms, at_ms)

    def take(self) -> tuple[int, Any, str]:
        """Remove and return the earliest entry. Raises IndexError if there is none."""
        at_ms, _, key, name = heappop(self._entries)
        self.due_ms = self._entries[0][0] if self._entries else END_MS
        return at_ms, key, name

    def is_wasteful(self, live: int) -> bool:
        """Tell whether most entries are of no use any more, given how many are."""
        return len(self._entries) > 2 * live + _SLACK

    def rebuild(self, entries: Iterable[tuple[int, Any, str]]) -> None:
        """Hold `entries` and nothing else."""
        self._entries = [(at_ms, next(self._numbers), key, name) for at_ms, key, name in entries]
        heapify(self._entries)
        self.due_ms = self._entries[0][0] if self._entries else END_MS
