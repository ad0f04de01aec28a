"""A detector that forecasts a series with a trend and a season."""

from __future__ import annotations

import math
from typing import Any

from .detector import UNKNOWN, Detector, Observation, Score, number
from .gaussian import deviation_score

_REASON = "{:.6g} is {:.3g} times the usual error away from the forecast, {:.6g}"


class HoltWinters(Detector):
    """Score by the distance from a forecast, in standard deviations of its usual error.

    The series is regular: each observation is one step, and `period` steps are one season; put a
    window in front that counts per hour, say. Level, trend and season are additive and smoothed
    exponentially. (C. C. Holt, 1957; P. R. Winters, "Forecasting sales by exponentially weighted
    moving averages", Management Science 6, 1960.) Two periods have to be seen before anything is
    expected: they give the first level, trend and season.

    State: `period` numbers and six more; twice `period` at first.

    Args:
        period: steps of one season, at least 2.
        alpha: weight of the newest observation in the level.
        beta: of the newest change of the level in the trend.
        gamma: of the newest observation in its place in the season.
        delta: of the newest error in the usual error.
        band: so many times the usual error around the forecast are expected.
        least_deviation: the usual error is taken for at least this.
    """

    def __init__(
        self,
        period: int = 24,
        alpha: float = 0.2,
        beta: float = 0.01,
        gamma: float = 0.1,
        delta: float = 0.05,
        band: float = 3.0,
        least_deviation: float = 0.0,
    ) -> None:
        if period < 2:
            raise ValueError(f"period: expected at least 2, got {period}")
        for name, weight in (("alpha", alpha), ("beta", beta), ("gamma", gamma), ("delta", delta)):
            if not 0 <= weight <= 1:
                raise ValueError(f"{name}: expected a number from 0 to 1, got {weight}")
        self.usual_threshold = band
        self._period = period
        self._weights = alpha, beta, gamma, delta
        self._least = least_deviation
        self._first: list[float] = []
        self._season: list[float] = []
        self._level = self._trend = self._variance = 0.0
        self._place = 0

    def shape(self) -> dict[str, Any]:
        return {"period": self._period}

    def score_one(self, x: Observation, at_ms: int | None = None, /) -> Score:
        if not self._season:
            return UNKNOWN
        deviation = max(math.sqrt(self._variance), self._least)
        return deviation_score(
            number(x), self._forecast(), deviation, self.usual_threshold, _REASON
        )

    def _forecast(self) -> float:
        return self._level + self._trend + self._season[self._place]

    def learn_one(self, x: Observation, at_ms: int | None = None, /) -> None:
        x = number(x)
        if not self._season:
            self._first.append(x)
            if len(self._first) == 2 * self._period:
                self._begin()
            return
        alpha, beta, gamma, delta = self._weights
        error = x - self._forecast()
        before, seasonal = self._level, self._season[self._place]
        self._variance += delta * (error * error - self._variance)
        self._level = alpha * (x - seasonal) + (1 - alpha) * (before + self._trend)
        self._trend += beta * (self._level - before - self._trend)
        self._season[self._place] = gamma * (x - self._level) + (1 - gamma) * seasonal
        self._place = (self._place + 1) % self._period

    def skip_one(self, x: Observation, at_ms: int | None = None, /) -> None:
        """Take a step as if what was forecast had come."""
        if self._season:
            self._level += self._trend
            self._place = (self._place + 1) % self._period

    def _begin(self) -> None:
        """Take level, trend and season from the first two periods."""
        period, first = self._period, self._first
        mean = sum(first[:period]) / period
        self._trend = (sum(first[period:]) / period - mean) / period
        middle = (period - 1) / 2
        detrended = [x - mean - self._trend * (i - middle) for i, x in enumerate(first)]
        self._season = [(detrended[i] + detrended[i + period]) / 2 for i in range(period)]
        errors = (x - self._season[i % period] for i, x in enumerate(detrended))
        # Of twice `period` numbers, `period` and one more went into the season and the trend.
        self._variance = sum(error * error for error in errors) / (period - 1)
        self._level = mean + self._trend * (2 * period - 1 - middle)
        self._first = []

    def snapshot(self) -> Any:
        numbers = (self._level, self._trend, self._variance, self._place)
        return {"first": list(self._first), "season": list(self._season), "numbers": numbers}

    def restore(self, state: Any, version: int, /) -> None:
        self._first = list(state["first"])
        self._season = list(state["season"])
        self._level, self._trend, self._variance, self._place = state["numbers"]
