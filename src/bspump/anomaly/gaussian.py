"""Detectors that measure the distance from the mean in standard deviations."""

from __future__ import annotations

import math
from typing import Any

from .detector import UNKNOWN, Detector, Observation, Score, number, ratio
from .moments import Moments

REASON = "{:.6g} is {:.3g} standard deviations from {:.6g}, the mean so far"


def deviation_score(x: float, mean: float, deviation: float, band: float, reason: str) -> Score:
    """Return the distance of `x` from `mean` in deviations, and where `band` of them lead.

    Args:
        reason: with places for `x`, the score and the mean.
    """
    score = ratio(abs(x - mean), deviation)
    reach = band * deviation
    return Score(score, mean - reach, mean + reach, reason, (x, score, mean))


class ZScore(Detector):
    """Score by the distance from the mean of all that was seen, in standard deviations.

    For numbers that scatter around one value. Outliers that are learned widen what is expected;
    where they are many, `RobustZScore` is better.

    State: three numbers.

    Args:
        memory: observations after which older ones fade; 0: never.
        band: so many standard deviations around the mean are expected.
        least_deviation: the standard deviation is taken for at least this, so that the first
            change of what never varied is not infinitely strange.
    """

    def __init__(self, memory: int = 0, band: float = 3.0, least_deviation: float = 0.0) -> None:
        if memory < 0 or memory == 1:
            raise ValueError(f"memory: expected 0 or at least 2, got {memory}")
        self.usual_threshold = band
        self._least = least_deviation
        self._moments = Moments(memory)

    def score_one(self, x: Observation, at_ms: int | None = None, /) -> Score:
        moments = self._moments
        if moments.count < 2:
            return UNKNOWN
        deviation = max(moments.deviation, self._least)
        return deviation_score(number(x), moments.mean, deviation, self.usual_threshold, REASON)

    def learn_one(self, x: Observation, at_ms: int | None = None, /) -> None:
        self._moments.add(number(x))

    def snapshot(self) -> Any:
        return self._moments.snapshot()

    def restore(self, state: Any, version: int, /) -> None:
        self._moments.restore(state)


class EWMA(Detector):
    """Score by the distance from a mean that follows the stream, in standard deviations.

    Mean and variance are weighted exponentially: what was seen `half_life` observations ago
    weighs half as much as what is seen now. For numbers whose level moves slowly. (S. W. Roberts,
    "Control chart tests based on geometric moving averages", Technometrics 1, 1959; variance by
    T. Finch, "Incremental calculation of weighted mean and variance", 2009.)

    State: three numbers.

    Args:
        half_life: observations after which the weight is half.
        band: so many standard deviations around the mean are expected.
        least_deviation: the standard deviation is taken for at least this.
    """

    def __init__(
        self, half_life: float = 20.0, band: float = 3.0, least_deviation: float = 0.0
    ) -> None:
        if not half_life > 0:
            raise ValueError(f"half_life: expected more than 0, got {half_life}")
        self.usual_threshold = band
        self._weight = 1.0 - 0.5 ** (1.0 / half_life)
        self._least = least_deviation
        self._count = 0
        self._mean = self._variance = 0.0

    def score_one(self, x: Observation, at_ms: int | None = None, /) -> Score:
        if self._count < 2:
            return UNKNOWN
        deviation = max(math.sqrt(self._variance), self._least)
        return deviation_score(number(x), self._mean, deviation, self.usual_threshold, REASON)

    def learn_one(self, x: Observation, at_ms: int | None = None, /) -> None:
        x = number(x)
        self._count += 1
        if self._count == 1:
            self._mean = x
            return
        distance = x - self._mean
        step = self._weight * distance
        self._mean += step
        self._variance = (1.0 - self._weight) * (self._variance + distance * step)

    def snapshot(self) -> Any:
        return self._count, self._mean, self._variance

    def restore(self, state: Any, version: int, /) -> None:
        self._count, self._mean, self._variance = state
