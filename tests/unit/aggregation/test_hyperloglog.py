from __future__ import annotations

import numpy as np
import pytest

from bspump.abc.errors import ConfigError
from bspump.aggregation import HyperLogLog
from bspump.matrix import NamedMatrix
from bspump.testing import Harness


@pytest.mark.parametrize("form", ["user-{}", "{}", "10.0.0.{}", "{:012d}"])
@pytest.mark.parametrize("count", [1, 10, 500, 5_000, 50_000])
def test_the_estimate_is_within_three_standard_errors(form, count):
    counter, registers = HyperLogLog(), bytearray(2048)
    for i in range(count):
        counter.add(form.format(i), registers)
    error = max(1.0, 3 * counter.compute_error() * count)
    assert counter.count(registers) == pytest.approx(count, abs=error)


@pytest.mark.parametrize("make", [lambda m: [0] * m, bytearray, lambda m: np.zeros(m, "i1")])
def test_registers_are_whatever_holds_numbers_and_belong_to_the_caller(make):
    counter, one, other = HyperLogLog(m=256), make(256), make(256)
    for i in range(100):
        counter.add(i, one)
    before = counter.count(one)
    for i in range(100):
        counter.add(str(i), one)
        counter.add(str(i).encode(), one)
    assert counter.count(one) == before
    assert counter.count(other) == 0


def test_the_greater_registers_are_the_union():
    counter, one, other, both = HyperLogLog(), *(bytearray(2048) for _ in range(3))
    for i in range(3000):
        counter.add(i, one if i % 2 else other)
        counter.add(i, both)
    assert [max(pair) for pair in zip(one, other, strict=True)] == list(both)


def test_more_registers_are_more_exact():
    assert HyperLogLog().compute_error() == pytest.approx(0.023, abs=0.001)
    assert HyperLogLog(m=16384).compute_error() < 0.01


@pytest.mark.parametrize("m", [0, 8, 1000, -16])
def test_the_number_of_registers_is_a_power_of_two(m):
    with pytest.raises(ConfigError, match="power of two"):
        HyperLogLog(m=m)


async def test_registers_may_be_the_rows_of_a_matrix():
    async with Harness() as harness:
        matrix, counter = NamedMatrix(harness.app, dtype="(256,)u1"), HyperLogLog(256)
        for i in range(200):
            row = matrix.add_row(i % 2)
            counter.add(i, matrix.Array[row])
        assert counter.count(matrix.Array[0]) == pytest.approx(100, rel=0.2)
