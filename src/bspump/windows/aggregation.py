"""Aggregations: what is computed of the events of a window. Exact ones of fixed size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

Value = str | Callable[[dict[str, Any], Any], Any] | None
"""What is aggregated: a field of the event, a function `(context, event)`, or the event itself."""


class Inline(NamedTuple):
    """Expressions for `create` with the first value `{v}`, for `add`, and for `merge` of two.

    `{a}` and `{b}` are what is accumulated. They change nothing: what they give takes its place.
    """

    first: str
    step: str
    merge: str


class Aggregation:
    """What is computed of many values; subclass it for one of your own.

    ::

        class Product(Aggregation):
            def create(self):
                return 1

            def add(self, accumulated, value):
                return accumulated * value

            def merge(self, accumulated, other):
                return accumulated * other

            def result(self, accumulated):
                return accumulated

    What is accumulated is plain data, unless `dump` and `load` are defined. A value that is `None`
    is left out, as SQL does. An aggregation has no state of its own.

    Args:
        of: what is aggregated.
    """

    TakesNone: ClassVar[bool] = False
    """Values that are `None` are added, too."""

    Inline: ClassVar[Inline | None] = None
    """The same as the methods, as expressions that are put into compiled functions."""

    def __init__(self, of: Value = None) -> None:
        self.of = of

    def create(self) -> Any:
        """Return what is accumulated of no values."""
        raise NotImplementedError(f"{type(self).__name__}.create")

    def add(self, accumulated: Any, value: Any, /) -> Any:
        """Return what is accumulated with one more value; the argument may be changed for it.

        Where it raises it has changed nothing, and the event is rejected.
        """
        raise NotImplementedError(f"{type(self).__name__}.add")

    def check(self, value: Any, /) -> None:
        """Override where `add` may raise: raise for a value that cannot be added.

        Where there are several aggregations all are asked before one is changed, so that an event
        that does not fit is added to none of them.
        """

    def add_at(self, accumulated: Any, value: Any, at_ms: int, /) -> Any:
        """Do the same, where the time of the value matters."""
        return self.add(accumulated, value)

    def merge(self, accumulated: Any, other: Any, /) -> Any:
        """Return what is accumulated of both; the first may be changed for it, the other not.

        What is returned shares nothing with the other that could be changed.
        """
        raise NotImplementedError(f"{type(self).__name__}.merge")

    def result(self, accumulated: Any, /) -> Any:
        """Return what comes out; what is accumulated stays as it is."""
        raise NotImplementedError(f"{type(self).__name__}.result")

    def dump(self, accumulated: Any, /) -> Any:
        """Return what is accumulated as plain data, for a checkpoint."""
        return accumulated

    def load(self, data: Any, /) -> Any:
        """Return what `dump` was given."""
        return data


class Count(Aggregation):
    """How many events there are; of a field, how many have one that is not `None`."""

    Inline = Inline("1", "{a} + 1", "{a} + {b}")

    def __init__(self, of: Value = None) -> None:
        super().__init__(of)

    def create(self) -> int:
        return 0

    def add(self, accumulated: int, value: Any, /) -> int:
        return accumulated + 1

    def merge(self, accumulated: int, other: int, /) -> int:
        return accumulated + other

    def result(self, accumulated: int | None, /) -> int:
        return accumulated or 0


class _Scalar(Aggregation):
    """What is accumulated is `None` as long as there was no value."""

    def create(self) -> None:
        return None

    def combine(self, one: Any, other: Any) -> Any:
        """Return one value for two."""
        raise NotImplementedError

    def add(self, accumulated: Any, value: Any, /) -> Any:
        return value if accumulated is None else self.combine(accumulated, value)

    def merge(self, accumulated: Any, other: Any, /) -> Any:
        return accumulated if other is None else self.add(accumulated, other)

    def result(self, accumulated: Any, /) -> Any:
        return accumulated


class Sum(_Scalar):
    """The sum of values; `None` if there are none."""

    # Nothing but a number can be added to 0: what is none does not get in as the first one either.
    Inline = Inline("0 + {v}", "{a} + {v}", "{a} + {b}")

    def combine(self, one: Any, other: Any) -> Any:
        return one + other


class Min(_Scalar):
    """The least value; `None` if there are none."""

    Inline = Inline("{v}", "{v} if {v} < {a} else {a}", "{b} if {b} < {a} else {a}")

    def combine(self, one: Any, other: Any) -> Any:
        return min(one, other)


class Max(_Scalar):
    """The greatest value; `None` if there are none."""

    Inline = Inline("{v}", "{v} if {v} > {a} else {a}", "{b} if {b} > {a} else {a}")

    def combine(self, one: Any, other: Any) -> Any:
        return max(one, other)


class Mean(Aggregation):
    """The mean of values; `None` if there are none."""

    Inline = Inline(
        "(1, 0 + {v})", "({a}[0] + 1, {a}[1] + {v})", "({a}[0] + {b}[0], {a}[1] + {b}[1])"
    )

    def create(self) -> tuple[int, Any]:
        return 0, 0

    def add(self, accumulated: tuple[int, Any], value: Any, /) -> tuple[int, Any]:
        return accumulated[0] + 1, accumulated[1] + value

    def merge(self, accumulated: tuple[int, Any], other: tuple[int, Any], /) -> tuple[int, Any]:
        return accumulated[0] + other[0], accumulated[1] + other[1]

    def result(self, accumulated: tuple[int, Any] | None, /) -> Any:
        count, total = accumulated or (0, 0)
        return total / count if count else None


class Variance(Aggregation):
    """The variance of values: of a sample (n - 1), or `population=True`; `None` if undefined.

    Welford's method; two are merged as Chan, Golub and LeVeque do.
    """

    def __init__(self, of: Value = None, *, population: bool = False) -> None:
        super().__init__(of)
        self._less = 0 if population else 1

    def check(self, value: Any, /) -> None:
        float(value - 0)

    def create(self) -> tuple[int, float, float]:
        return 0, 0.0, 0.0

    def add(self, accumulated: tuple[int, float, float], value: Any, /) -> tuple[int, float, float]:
        count, mean, squares = accumulated
        count += 1
        number = float(value - 0)
        delta = number - mean
        mean += delta / count
        return count, mean, squares + delta * (number - mean)

    def merge(
        self, accumulated: tuple[int, float, float], other: tuple[int, float, float], /
    ) -> tuple[int, float, float]:
        one_count, one_mean, one_squares = accumulated
        count, mean, squares = other
        total = one_count + count
        if not total:
            return accumulated
        delta = mean - one_mean
        return (
            total,
            one_mean + delta * count / total,
            one_squares + squares + delta * delta * one_count * count / total,
        )

    def result(self, accumulated: tuple[int, float, float], /) -> float | None:
        count, _, squares = accumulated
        return squares / (count - self._less) if count > self._less else None


class Deviation(Variance):
    """The standard deviation of values, the square root of their variance."""

    def result(self, accumulated: tuple[int, float, float], /) -> float | None:
        variance = super().result(accumulated)
        return None if variance is None else math.sqrt(variance)


class First(Aggregation):
    """The value of the earliest event by its time; of those of one time, that which came first."""

    def create(self) -> None:
        return None

    def add_at(self, accumulated: Any, value: Any, at_ms: int, /) -> Any:
        return [at_ms, value] if accumulated is None or at_ms < accumulated[0] else accumulated

    def merge(self, accumulated: Any, other: Any, /) -> Any:
        return accumulated if other is None else self.add_at(accumulated, other[1], other[0])

    def result(self, accumulated: Any, /) -> Any:
        return None if accumulated is None else accumulated[1]


class Last(First):
    """The value of the latest event by its time; of those of one time, that which came last."""

    def add_at(self, accumulated: Any, value: Any, at_ms: int, /) -> Any:
        return [at_ms, value] if accumulated is None or at_ms >= accumulated[0] else accumulated
