"""A detector that outliers cannot spoil."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any

from .detector import UNKNOWN, Detector, Observation, Score, number, ratio

# Makes the median absolute deviation, and the mean one, estimates of the standard deviation of
# normally distributed numbers.
_OF_MEDIAN_DEVIATION = 1.482602218505602
_OF_MEAN_DEVIATION = 1.2533141373155001

_REASON = (
    "{:.6g} is {:.3g} robust standard deviations from {:.6g}, the median of the last observations"
)


def median(ordered: Sequence[float]) -> float:
    """Return the median of numbers in ascending order.

    >>> median([1.0, 2.0, 4.0]), median([1.0, 2.0, 4.0, 8.0])
    (2.0, 3.0)
    """
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def median_deviation(ordered: Sequence[float], center: float) -> float:
    """Return the median of the distances from `center` of numbers in ascending order.

    The distances of those below and of those above are in order themselves, so that it takes
    about `2 log2(len)` looks to find the middle of both.

    >>> median_deviation([1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0], 2.0)
    1.0
    """
    count = len(ordered)
    upper = _nth_distance(ordered, center, count // 2)
    if count % 2:
        return upper
    return (_nth_distance(ordered, center, count // 2 - 1) + upper) / 2


def _nth_distance(ordered: Sequence[float], center: float, n: int) -> float:
    """Return the distance of which `n` others are not greater.

    The `n + 1` numbers nearest to `center` are neighbours: looked for is where they begin.
    """
    first, last = 0, len(ordered) - n - 1
    while first < last:
        begin = (first + last) // 2
        if center - ordered[begin] > ordered[begin + n + 1] - center:
            first = begin + 1
        else:
            last = begin
    return max(center - ordered[first], ordered[first + n] - center)


class RobustZScore(Detector):
    """Score by the distance from the median of the last observations, in robust deviations.

    The scale is the median absolute deviation (MAD), made comparable to a standard deviation; if
    more than half of the window are the same number, the mean absolute deviation. Up to half of
    the window may be outliers and what is expected stays where it is. (B. Iglewicz, D. Hoaglin,
    "How to detect and handle outliers", ASQC, 1993, from where the band of 3.5 is as well.)

    State: the numbers of the window, each in 16 bytes of memory.

    Args:
        window: observations that are kept.
        band: so many robust deviations around the median are expected.
        least_deviation: the robust deviation is taken for at least this.
    """

    def __init__(self, window: int = 200, band: float = 3.5, least_deviation: float = 0.0) -> None:
        if window < 3:
            raise ValueError(f"window: expected at least 3, got {window}")
        self.usual_threshold = band
        self._window = window
        self._least = least_deviation
        self._recent = array("d")
        self._ordered = array("d")

    def score_one(self, x: Observation, at_ms: int | None = None, /) -> Score:
        ordered = self._ordered
        if len(ordered) < 3:
            return UNKNOWN
        x = number(x)
        center = median(ordered)
        deviation = max(self._deviation(center), self._least)
        score = ratio(abs(x - center), deviation)
        reach = self.usual_threshold * deviation
        return Score(score, center - reach, center + reach, _REASON, (x, score, center))

    def _deviation(self, center: float) -> float:
        deviation = median_deviation(self._ordered, center)
        if deviation > 0:
            return deviation * _OF_MEDIAN_DEVIATION
        total = sum(abs(x - center) for x in self._ordered)
        return total / len(self._ordered) * _OF_MEAN_DEVIATION

    def learn_one(self, x: Observation, at_ms: int | None = None, /) -> None:
        x = number(x)
        recent, ordered = self._recent, self._ordered
        recent.append(x)
        insort(ordered, x)
        if len(recent) > self._window:
            del ordered[bisect_left(ordered, recent.pop(0))]

    def snapshot(self) -> Any:
        return list(self._recent)

    def restore(self, state: Any, version: int, /) -> None:
        self._recent = array("d", state[-self._window :])
        self._ordered = array("d", sorted(self._recent))
