"""Mean and variance of a stream, one observation at a time."""

from __future__ import annotations

import math


class Moments:
    """Count, mean and variance, without the observations and without loss of digits.

    By Welford's recurrence (B. P. Welford, "Note on a method for calculating corrected sums of
    squares and products", Technometrics 4, 1962).

    Args:
        memory: from so many observations on, each new one weighs `1 / memory` and older ones
            fade; 0: all weigh the same for ever.

    >>> moments = Moments()
    >>> for x in (2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0):
    ...     moments.add(x)
    >>> moments.count, moments.mean, moments.deviation
    (8, 5.0, 2.0)
    """

    __slots__ = ("_memory", "_variance_sum", "count", "mean")

    def __init__(self, memory: int = 0) -> None:
        self.count = 0
        self.mean = 0.0
        self._variance_sum = 0.0
        self._memory = memory

    def add(self, x: float) -> None:
        """Take an observation into account."""
        if self._memory and self.count >= self._memory:
            # As if one observation of average strangeness had been taken out.
            self.count = self._memory - 1
            self._variance_sum *= self.count / self._memory
        self.count += 1
        distance = x - self.mean
        self.mean += distance / self.count
        self._variance_sum += distance * (x - self.mean)

    @property
    def deviation(self) -> float:
        """The standard deviation of what was seen (of the population, not of a sample)."""
        return math.sqrt(self._variance_sum / self.count) if self.count else 0.0

    def snapshot(self) -> tuple[int, float, float]:
        """Return all there is to know."""
        return self.count, self.mean, self._variance_sum

    def restore(self, state: tuple[int, float, float]) -> None:
        """Be as the moments whose `snapshot` this is."""
        self.count, self.mean, self._variance_sum = state
        # A longer memory of the past than is wanted now would never fade.
        if self._memory and self.count > self._memory:
            self._variance_sum *= self._memory / self.count
            self.count = self._memory
