"""When keys are due, the earliest first."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

from bspump.abc.event_time import END_MS


class DueKeys:
    """Keys by the time at which they are to be looked at.

    >>> due = DueKeys()
    >>> due.add(20, "b"), due.add(10, "c"), due.add(20, "a")
    (None, None, None)
    >>> due.take(), due.take(), due.first_ms == END_MS
    ((10, ['c']), (20, ['a', 'b']), True)

    Attributes:
        first_ms: the earliest time.
    """

    __slots__ = ("_keys", "_times", "first_ms")

    def __init__(self) -> None:
        self._keys: dict[int, list[Any]] = {}
        self._times: list[int] = []
        self.first_ms = END_MS

    def add(self, at_ms: int, key: Any) -> None:
        """Note that a key is to be looked at."""
        keys = self._keys.get(at_ms)
        if keys is not None:
            keys.append(key)
            return
        self._keys[at_ms] = [key]
        heappush(self._times, at_ms)
        self.first_ms = self._times[0]

    def take(self) -> tuple[int, list[Any]]:
        """Remove and return the earliest time with its keys.

        Their order depends on what they are alone, not on how they came here.
        """
        at_ms = heappop(self._times)
        self.first_ms = self._times[0] if self._times else END_MS
        keys = self._keys.pop(at_ms)
        if len(keys) > 1:
            keys.sort(key=repr)
        return at_ms, keys
