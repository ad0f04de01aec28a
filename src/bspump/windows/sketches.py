"""Aggregations of a fixed size that are nearly right: sketches, by `datasketches`.

They are kept in checkpoints as bytes, in the format of that library, which others read too. The
package is asked for when the first sketch is made: extra `sketches`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from bspump.abc.errors import ProcessingError
from bspump.abc.extras import require

from .aggregation import Aggregation, Value
from .collecting import at_least_one, checked_ranks, order_of


def _library() -> Any:
    return require("datasketches", extra="sketches")


class ApproxDistinct(Aggregation):
    """About how many different values there are, by HyperLogLog (HLL).

    The relative standard error is about `1.04 / sqrt(2 ** precision)`, or less: 1.6 % for 12, of
    which a sketch takes up to 4 KiB (few values take less). In 95 of 100 cases the error is below
    twice that. The same values in any order give the same estimate, within rounding.

    Args:
        of: numbers, texts, bytes, or tuples of them.
        precision: from 4 to 21.
    """

    def __init__(self, of: Value = None, *, precision: int = 12) -> None:
        super().__init__(of)
        self._library, self._precision = _library(), precision
        if not 4 <= precision <= 21:
            raise ValueError(f"expected a precision from 4 to 21, got {precision}")

    def create(self) -> Any:
        return self._library.hll_sketch(self._precision, self._library.tgt_hll_type.HLL_8)

    def add(self, accumulated: Any, value: Any, /) -> Any:
        kind = type(value)
        if kind is float and value.is_integer():
            value = int(value)
        elif kind is not int and kind is not str and kind is not float:
            value = f"{kind.__name__}\0{value!r}"
        if type(value) is int and not -(1 << 63) <= value < 1 << 63:
            value = f"int\0{value}"
        accumulated.update(value)
        return accumulated

    def merge(self, accumulated: Any, other: Any, /) -> Any:
        union = self._library.hll_union(self._precision)
        union.update(accumulated)
        union.update(other)
        return union.get_result(self._library.tgt_hll_type.HLL_8)

    def result(self, accumulated: Any, /) -> int:
        return round(accumulated.get_estimate())

    def dump(self, accumulated: Any, /) -> bytes:
        return bytes(accumulated.serialize_updatable())

    def load(self, data: bytes, /) -> Any:
        return self._library.hll_sketch.deserialize(data)


class ApproxQuantiles(Aggregation):
    """About the quantiles of numbers, by a KLL sketch; `None` of no numbers.

    The error is one of rank: with `size` 200, the value for 0.5 is that for a rank between 0.487
    and 0.513, in 99 of 100 cases; it is about `2.3 / size`. A sketch takes a few KiB, however many
    numbers there are. Up to about `size` numbers it is exact, without interpolation. It tosses
    coins: two runs may differ, within the bound.

    Args:
        of: the numbers.
        at: which quantiles, from 0 to 1.
        size: the `k` of the sketch.
    """

    def __init__(self, of: Value = None, *, at: Sequence[float] = (0.5,), size: int = 200) -> None:
        super().__init__(of)
        self._library, self._at, self._size = _library(), checked_ranks(at), size

    def check(self, value: Any, /) -> None:
        if not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
            raise ProcessingError(f"expected a number for quantiles, got {value!r}")

    def create(self) -> Any:
        return self._library.kll_doubles_sketch(self._size)

    def add(self, accumulated: Any, value: Any, /) -> Any:
        self.check(value)
        accumulated.update(value)
        return accumulated

    def merge(self, accumulated: Any, other: Any, /) -> Any:
        accumulated.merge(other)
        return accumulated

    def result(self, accumulated: Any, /) -> list[float] | None:
        if accumulated.is_empty():
            return None
        return [accumulated.get_quantile(rank) for rank in self._at]

    def dump(self, accumulated: Any, /) -> bytes:
        return bytes(accumulated.serialize())

    def load(self, data: bytes, /) -> Any:
        return self._library.kll_doubles_sketch.deserialize(data)


class ApproxTopK(Aggregation):
    """About the `k` most frequent values, as `[value, count]`, by a sketch of frequent items.

    A count may be too high, by at most `3.5 / size` of all values there are; up to 0.75 * `size`
    different values it is exact. A value that is more frequent than that bound is never missed.

    Args:
        of: texts, numbers, booleans.
        k: how many.
        size: of the sketch, a power of two; about so many values are kept.
    """

    def __init__(self, of: Value = None, *, k: int = 10, size: int = 1024) -> None:
        super().__init__(of)
        self._library, self._k = _library(), at_least_one("k", k)
        self._size_log = size.bit_length() - 1
        if size < 8 or 1 << self._size_log != size:
            raise ValueError(f"expected a power of two from 8 on as the size, got {size}")

    def check(self, value: Any, /) -> None:
        if not isinstance(value, str | int | float):
            raise ProcessingError(f"expected a text or a number to be counted, got {value!r}")

    def create(self) -> Any:
        return self._library.frequent_strings_sketch(self._size_log)

    def add(self, accumulated: Any, value: Any, /) -> Any:
        self.check(value)
        accumulated.update(msgspec.json.encode(value).decode())
        return accumulated

    def merge(self, accumulated: Any, other: Any, /) -> Any:
        accumulated.merge(other)
        return accumulated

    def result(self, accumulated: Any, /) -> list[list[Any]]:
        kind = self._library.frequent_items_error_type.NO_FALSE_NEGATIVES
        found = [
            (msgspec.json.decode(text), estimate)
            for text, estimate, _, _ in accumulated.get_frequent_items(kind)
        ]
        found.sort(key=lambda pair: (-pair[1], order_of(pair[0])))
        return [list(pair) for pair in found[: self._k]]

    def dump(self, accumulated: Any, /) -> bytes:
        return bytes(accumulated.serialize())

    def load(self, data: bytes, /) -> Any:
        return self._library.frequent_strings_sketch.deserialize(data)
