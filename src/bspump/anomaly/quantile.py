"""Quantiles of a stream of scores in bounded memory."""

from __future__ import annotations

import math
from typing import Any

_SMALLEST = 1e-9
_FORGOTTEN = 1 / 64
# The logarithm and the power that undoes it are each right to a few units in the last place.
_ROUNDING = 1 + 1e-12


class QuantileSketch:
    """Counts numbers in buckets that grow by a constant factor; older ones fade.

    A quantile of what was added is at most `accuracy` (relative) below what is returned, and never
    above. Numbers below 1e-9 count as 0. Where more than `most_buckets` are needed, the lowest
    become one, so that it is the low quantiles that suffer. The same numbers in the same order give
    the same answers: nothing is random. (C. Masson, J. E. Rim, H. K. Lee, "DDSketch: a fast and
    fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019.)

    Args:
        accuracy: relative; smaller takes more buckets.
        memory: when so many are counted, each counts for half from then on.
        most_buckets: at the most.
    """

    def __init__(
        self, accuracy: float = 0.002, memory: int = 100_000, most_buckets: int = 2048
    ) -> None:
        self._growth = math.log1p(accuracy)
        self._memory = memory
        self._most_buckets = most_buckets
        self._counts: dict[int, float] = {}
        self._zeros = self._total = 0.0

    @property
    def total(self) -> float:
        """How many are counted; those that fade, as fractions."""
        return self._total

    def add(self, value: float) -> None:
        """Count a number that is not negative."""
        if value < _SMALLEST:
            self._zeros += 1.0
        else:
            bucket = math.ceil(math.log(value) / self._growth)
            self._counts[bucket] = self._counts.get(bucket, 0.0) + 1.0
            if len(self._counts) > self._most_buckets:
                self._collapse()
        self._total += 1.0
        if self._total >= self._memory:
            self._fade()

    def _collapse(self) -> None:
        lowest, second = sorted(self._counts)[:2]
        self._counts[second] += self._counts.pop(lowest)

    def _fade(self) -> None:
        halves = ((bucket, count / 2) for bucket, count in self._counts.items())
        self._counts = {bucket: count for bucket, count in halves if count >= _FORGOTTEN}
        self._zeros /= 2
        self._total = math.fsum(self._counts.values()) + self._zeros

    def exceeded_by(self, share: float) -> float:
        """Return a number that at most `share` of all are greater than; 0 if there are none.

        It costs a look at the buckets above it.
        """
        left = share * self._total
        for bucket in sorted(self._counts, reverse=True):
            left -= self._counts[bucket]
            if left < 0:
                return math.exp(bucket * self._growth) * _ROUNDING
        return 0.0

    def snapshot(self) -> Any:
        """Return all there is to know, as plain data."""
        return {"counts": dict(self._counts), "zeros": self._zeros, "total": self._total}

    def restore(self, state: Any) -> None:
        """Be as the sketch whose `snapshot` this is; it had the same accuracy."""
        self._counts = dict(state["counts"])
        self._zeros, self._total = state["zeros"], state["total"]
