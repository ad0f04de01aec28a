"""How many events may fail. Pure: it is told what was counted and says whether that is too much."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from .error_options import ErrorBudgetOptions

_STEPS = 60
"""The window moves in so many steps."""


class _Sample(NamedTuple):
    at_s: float
    entered: int
    failed: int


class ErrorBudget:
    """Compares events that failed with those that entered, in a window that moves with time.

    Counts are given as totals. To be right it has to `look` about as often as the window moves.

    >>> budget = ErrorBudget(ErrorBudgetOptions(percent=5, window=60, least=10))
    >>> budget.look(0.0, 0, 0)
    >>> budget.excess(1.0, 100, 5)
    >>> budget.excess(1.0, 110, 6)
    '6 of 110 events failed within 60 s, more than 5 %'
    """

    def __init__(self, options: ErrorBudgetOptions) -> None:
        self._options = options
        self._samples: deque[_Sample] = deque()

    def look(self, now_s: float, entered: int, failed: int) -> None:
        """Take note of the counts at a time, by a clock that never goes back."""
        samples, window_s = self._samples, self._options.window
        if samples and now_s < samples[-1].at_s + window_s / _STEPS:
            return
        samples.append(_Sample(now_s, entered, failed))
        # The last one that is as old as the window stays: it is what counts are compared with.
        while len(samples) > 1 and samples[1].at_s <= now_s - window_s:
            samples.popleft()

    def excess(self, now_s: float, entered: int, failed: int) -> str | None:
        """Return in words by what the budget is exceeded, `None` if it is not."""
        options = self._options
        self.look(now_s, entered, failed)
        before = self._samples[0]
        entered, failed = entered - before.entered, failed - before.failed
        if entered < options.least or failed * 100 <= options.percent * entered:
            return None
        return (
            f"{failed} of {entered} events failed within {options.window:g} s,"
            f" more than {options.percent:g} %"
        )

    def reset(self) -> None:
        """Forget what was counted."""
        self._samples.clear()
