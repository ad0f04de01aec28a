"""Aggregations that keep the values: exact, and as large as what they are given."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from typing import Any

from bspump.abc.errors import ProcessingError

from .aggregation import Aggregation, Value


class Collect(Aggregation):
    """All values as a list, ordered by the time of their events; those of one time as they came.

    Args:
        of: what is collected.
        most: values at the most, the earliest ones; 0: all.
    """

    def __init__(self, of: Value = None, *, most: int = 0) -> None:
        super().__init__(of)
        if most < 0:
            raise ValueError(f"expected no negative number of values, got {most}")
        self._most = most

    def create(self) -> list[Any]:
        return []

    def add_at(self, accumulated: list[Any], value: Any, at_ms: int, /) -> list[Any]:
        pair = [at_ms, value]
        if not accumulated or accumulated[-1][0] <= at_ms:
            accumulated.append(pair)
        else:
            accumulated.insert(bisect_right(accumulated, at_ms, key=_time), pair)
        if self._most:
            del accumulated[self._most :]
        return accumulated

    def merge(self, accumulated: list[Any], other: list[Any], /) -> list[Any]:
        for at_ms, value in other:
            self.add_at(accumulated, value, at_ms)
        return accumulated

    def result(self, accumulated: list[Any], /) -> list[Any]:
        return [value for _, value in accumulated]


class Distinct(Aggregation):
    """How many different values there are. Exact: it keeps all of them; they are plain data."""

    def check(self, value: Any, /) -> None:
        hash(value)

    def create(self) -> dict[Any, None]:
        return {}

    def add(self, accumulated: dict[Any, None], value: Any, /) -> dict[Any, None]:
        accumulated[value] = None
        return accumulated

    def merge(self, accumulated: dict[Any, None], other: dict[Any, None], /) -> dict[Any, None]:
        accumulated.update(other)
        return accumulated

    def result(self, accumulated: dict[Any, None], /) -> int:
        return len(accumulated)


class TopK(Aggregation):
    """The `k` most frequent values, as `[value, count]`, the most frequent first.

    Exact: it counts all values. Of those of one count the lesser value comes first.

    Args:
        of: what is counted.
        k: how many.
    """

    def __init__(self, of: Value = None, *, k: int = 10) -> None:
        super().__init__(of)
        self._k = at_least_one("k", k)

    def check(self, value: Any, /) -> None:
        hash(value)

    def create(self) -> dict[Any, int]:
        return {}

    def add(self, accumulated: dict[Any, int], value: Any, /) -> dict[Any, int]:
        accumulated[value] = accumulated.get(value, 0) + 1
        return accumulated

    def merge(self, accumulated: dict[Any, int], other: dict[Any, int], /) -> dict[Any, int]:
        for value, times in other.items():
            accumulated[value] = accumulated.get(value, 0) + times
        return accumulated

    def result(self, accumulated: dict[Any, int], /) -> list[list[Any]]:
        ordered = sorted(accumulated.items(), key=lambda pair: (-pair[1], order_of(pair[0])))
        return [list(pair) for pair in ordered[: self._k]]


class Quantiles(Aggregation):
    """Quantiles of numbers, interpolated linearly (as SQL's `percentile_cont`); `None` of none.

    Exact: it keeps all values. What comes out is a list, one for each of `at`.

    Args:
        of: the numbers.
        at: which, from 0 to 1.
    """

    def __init__(self, of: Value = None, *, at: Sequence[float] = (0.5,)) -> None:
        super().__init__(of)
        self._at = checked_ranks(at)

    def check(self, value: Any, /) -> None:
        if not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
            raise ProcessingError(f"expected a number for quantiles, got {value!r}")

    def create(self) -> list[Any]:
        return []

    def add(self, accumulated: list[Any], value: Any, /) -> list[Any]:
        self.check(value)
        insort(accumulated, value)
        return accumulated

    def merge(self, accumulated: list[Any], other: list[Any], /) -> list[Any]:
        return sorted(accumulated + other)

    def result(self, accumulated: list[Any], /) -> list[Any] | None:
        if not accumulated:
            return None
        return [_quantile(accumulated, rank) for rank in self._at]


def _quantile(ordered: list[Any], rank: float) -> float:
    place = rank * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    share = place - below
    return ordered[below] + (ordered[above] - ordered[below]) * share


def checked_ranks(at: Iterable[float]) -> list[float]:
    """Return the ranks. Raises ValueError if there is none, or one is not from 0 to 1."""
    ranks = [float(rank) for rank in at]
    if not ranks or not all(0 <= rank <= 1 for rank in ranks):
        raise ValueError(f"expected quantiles from 0 to 1, got {ranks}")
    return ranks


def at_least_one(name: str, number: int) -> int:
    """Return the number. Raises ValueError if it is less than one."""
    if number < 1:
        raise ValueError(f"expected {name} of at least 1, got {number}")
    return number


def order_of(value: Any) -> tuple[str, Any]:
    """Return what values of any kind can be sorted by."""
    if isinstance(value, int | float):
        return "", value
    return type(value).__name__, value if isinstance(value, str | bytes) else repr(value)


def _time(pair: list[Any]) -> int:
    at_ms: int = pair[0]
    return at_ms
