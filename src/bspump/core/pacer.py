"""Fairness: how long events may go through without a break for other tasks."""

from __future__ import annotations

import time
from collections.abc import Callable

_LARGEST = 1000
_FIRST = 16


class Pacer:
    """Measures how long events take, and says when others are due.

    Args:
        slice_s: seconds after which a source that never waits lets other tasks run.
        now: the clock, in seconds.

    Attributes:
        size: how many events may be run in one go so that it takes no longer than a slice.
    """

    def __init__(self, slice_s: float, now: Callable[[], float] = time.perf_counter) -> None:
        self.size = _FIRST
        self._slice_s, self._now = slice_s, now
        self._rested_at = self._paced_at = now()
        self._was_due = False

    def is_due(self) -> bool:
        """Tell whether it is time to let other tasks run."""
        return self._now() - self._rested_at >= self._slice_s

    def was_due(self) -> bool:
        """Tell whether it was time when `pace` was called last."""
        return self._was_due

    def rested(self) -> None:
        """Take note that other tasks have run."""
        self._rested_at = self._paced_at = self._now()
        self._was_due = False

    def pace(self, taken: int) -> int:
        """Return how many events may be taken, a quarter of a slice, before asking again.

        Args:
            taken: events since the last call.
        """
        now = self._now()
        spent_s = now - self._paced_at
        self._paced_at = now
        self._was_due = now - self._rested_at >= self._slice_s
        # The usual case, without a division: a thousand more of these fit easily.
        if spent_s * _LARGEST <= self._slice_s / 4 * taken:
            return _LARGEST
        return max(1, min(_LARGEST, int(self._slice_s / 4 * taken / spent_s)))

    def took(self, taken: int, spent_s: float) -> None:
        """Take note that `taken` events in one go took `spent_s` seconds."""
        if taken:
            fitting = int(self._slice_s * taken / (spent_s or 1e-9))
            # Grows by steps: the next events may be of a slower kind.
            self.size = max(1, min(_LARGEST, fitting, 4 * max(self.size, taken)))
