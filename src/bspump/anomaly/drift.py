"""Detectors of drift: not one observation is strange, the mean has moved."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, NamedTuple

from .detector import Detector, Observation, Score, number, ratio

_STEADY = Score(0.0, reason="the mean has not moved")


class DriftDetector(Detector):
    """What detectors of drift have in common: the score is that of the last observation learned.

    Beyond 1 the mean has moved; then the detector begins anew with what came since.
    """

    learns_first: ClassVar[bool] = True
    usual_threshold = 1.0

    def __init__(self) -> None:
        self._last = _STEADY

    def score_one(self, x: Observation, at_ms: int | None = None, /) -> Score:
        return self._last


class _Bucket(NamedTuple):
    """The sum of `2**row` numbers, and the sum of the squares of their distances to their mean."""

    total: float
    variance_sum: float


class ADWIN(DriftDetector):
    """Detect that the mean has moved, by a window that is as long as the mean stays the same.

    The score is the greatest difference between the means of an older and a newer part of the
    window, as a multiple of the difference that chance may cause; it is looked for at every
    `clock`-th observation and 0 in between. Beyond 1 the older part is dropped. False alarms have
    at most the probability `delta` for each look. (A. Bifet, R. Gavaldà, "Learning from
    time-changing data with adaptive windowing", SDM 2007, with the exponential histogram of
    section 3.) Numbers should be between 0 and 1 or thereabouts: chance is judged by their
    variance and, for short parts, by a range of 1.

    State: two numbers for each of about `5 log2(n / 5)` buckets for a window of `n`.

    Args:
        delta: confidence; smaller finds less by chance, and later.
        clock: observations from one look to the next.
        least_part: both parts are at least this long.
    """

    _ROW_LENGTH: ClassVar[int] = 5

    def __init__(self, delta: float = 0.002, clock: int = 32, least_part: int = 5) -> None:
        if not 0 < delta < 1:
            raise ValueError(f"delta: expected a number between 0 and 1, got {delta}")
        super().__init__()
        self._delta, self._clock, self._least_part = delta, clock, max(least_part, 1)
        self._rows: list[list[_Bucket]] = [[]]
        self._seen = self._width = 0
        self._total = self._variance_sum = 0.0

    @property
    def width(self) -> int:
        """How long the window is."""
        return self._width

    @property
    def mean(self) -> float:
        """The mean of the window."""
        return self._total / self._width if self._width else 0.0

    def learn_one(self, x: Observation, at_ms: int | None = None, /) -> None:
        x = number(x)
        self._last = _STEADY
        if self._width:
            distance = x - self.mean
            self._variance_sum += distance * distance * self._width / (self._width + 1)
        self._width += 1
        self._total += x
        self._rows[0].append(_Bucket(x, 0.0))
        self._compress()
        self._seen += 1
        if self._seen % self._clock == 0:
            self._look()

    def _compress(self) -> None:
        """Put the two oldest of every row that is too long together, into the next row."""
        for level, row in enumerate(self._rows):
            if len(row) <= self._ROW_LENGTH:
                return
            if level + 1 == len(self._rows):
                self._rows.append([])
            self._rows[level + 1].append(_joined(row[0], row[1], 2**level))
            del row[:2]

    def _look(self) -> None:
        """Score the window, and drop the older part while both differ."""
        while self._width >= 2 * self._least_part:
            found, newer = self._greatest_difference()
            if found.score > self._last.score:
                self._last = found
            if found.score <= self.usual_threshold:
                return
            while self._width > newer:
                self._drop_oldest()

    def _greatest_difference(self) -> tuple[Score, int]:
        """Return what is found where both parts differ most, and how long the newer one is."""
        width = self._width
        chance = math.log(2 * math.log(width) / self._delta)
        variance = self._variance_sum / width
        best, best_newer = _STEADY, width
        older, older_total = 0, 0.0
        for level in range(len(self._rows) - 1, -1, -1):
            for bucket in self._rows[level]:
                older += 2**level
                older_total += bucket.total
                newer = width - older
                if newer < self._least_part:
                    return best, best_newer
                if older < self._least_part:
                    continue
                older_mean, newer_mean = older_total / older, (self._total - older_total) / newer
                # The numbers of both parts, as a harmonic mean; so in the paper and its software.
                inverse = 1 / older + 1 / newer
                allowed = math.sqrt(2 * inverse * variance * chance) + 2 / 3 * inverse * chance
                score = ratio(abs(older_mean - newer_mean), allowed)
                if score > best.score:
                    best_newer = newer
                    best = Score(
                        score,
                        older_mean - allowed,
                        older_mean + allowed,
                        "the mean moved from {:.6g} to {:.6g}, that of the last {} observations",
                        (older_mean, newer_mean, newer),
                    )
        return best, best_newer

    def _drop_oldest(self) -> None:
        level = len(self._rows) - 1
        row = self._rows[level]
        bucket = row.pop(0)
        count = 2**level
        if not row and level:
            self._rows.pop()
        self._width -= count
        self._total -= bucket.total
        distance = bucket.total / count - self.mean
        between = distance * distance * count * self._width / (count + self._width)
        self._variance_sum = max(self._variance_sum - bucket.variance_sum - between, 0.0)

    def snapshot(self) -> Any:
        return {
            "rows": [[tuple(bucket) for bucket in row] for row in self._rows],
            "numbers": (self._seen, self._width, self._total, self._variance_sum),
            "last": tuple(self._last),
        }

    def restore(self, state: Any, version: int, /) -> None:
        self._rows = [[_Bucket(*bucket) for bucket in row] for row in state["rows"]]
        self._seen, self._width, self._total, self._variance_sum = state["numbers"]
        self._last = Score(*state["last"])


def _joined(older: _Bucket, newer: _Bucket, count: int) -> _Bucket:
    """Return two buckets of `count` numbers each as one."""
    distance = (older.total - newer.total) / count
    return _Bucket(
        older.total + newer.total,
        older.variance_sum + newer.variance_sum + distance * distance * count / 2,
    )


class PageHinkley(DriftDetector):
    """Detect that the mean has moved, by the sum of distances from the mean so far.

    The score is how far the sum has come from its extreme, as a multiple of `threshold`. Beyond 1
    it begins anew. Quicker than `ADWIN`, in return it wants to be told what is much. (E. S. Page,
    "Continuous inspection schemes", Biometrika 41, 1954.)

    State: six numbers.

    Args:
        threshold: of the sum, in the unit of what is observed.
        delta: changes of this size are none.
        fading: by this factor the sum gets smaller with each observation.
        least_count: observations before anything is detected.
        direction: `up`, `down` or `both`.
    """

    def __init__(
        self,
        threshold: float = 50.0,
        delta: float = 0.005,
        fading: float = 0.9999,
        least_count: int = 30,
        direction: Literal["up", "down", "both"] = "both",
    ) -> None:
        if not threshold > 0:
            raise ValueError(f"threshold: expected more than 0, got {threshold}")
        if direction not in {"up", "down", "both"}:
            raise ValueError(f"direction: expected 'up', 'down' or 'both', got {direction!r}")
        super().__init__()
        self._threshold, self._delta, self._fading = threshold, delta, fading
        self._least_count, self._direction = least_count, direction
        self._begin()

    def _begin(self) -> None:
        self._count = 0
        self._mean = self._up = self._down = self._least_up = self._most_down = 0.0

    def learn_one(self, x: Observation, at_ms: int | None = None, /) -> None:
        x = number(x)
        before = self._mean
        self._count += 1
        self._mean += (x - self._mean) / self._count
        distance = x - self._mean
        self._up = self._fading * self._up + distance - self._delta
        self._down = self._fading * self._down + distance + self._delta
        self._least_up = min(self._least_up, self._up)
        self._most_down = max(self._most_down, self._down)
        self._last = self._score(x, before)
        if self._last.score > self.usual_threshold:
            self._begin()

    def _score(self, x: float, mean: float) -> Score:
        if self._count < self._least_count:
            return _STEADY
        up = self._up - self._least_up if self._direction != "down" else 0.0
        down = self._most_down - self._down if self._direction != "up" else 0.0
        word, reached = ("above", up) if up >= down else ("below", down)
        return Score(
            ratio(reached, self._threshold),
            reason="the last ones were {} {:.6g}, the mean so far, by {:.6g} in sum; now {:.6g}",
            facts=(word, mean, reached, x),
        )

    def snapshot(self) -> Any:
        return {
            "numbers": (
                self._count,
                self._mean,
                self._up,
                self._down,
                self._least_up,
                self._most_down,
            ),
            "last": tuple(self._last),
        }

    def restore(self, state: Any, version: int, /) -> None:
        (
            self._count,
            self._mean,
            self._up,
            self._down,
            self._least_up,
            self._most_down,
        ) = state["numbers"]
        self._last = Score(*state["last"])
