"""What is kept of a matrix, and that it goes on as if it had never stopped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ConfigError
from bspump.abc.state import PartState
from bspump.matrix import GeoMatrix, Matrix, NamedMatrix, SessionMatrix, TimeWindowMatrix
from bspump.state import MemoryStateStore
from bspump.testing import Harness, run_virtual


class Shelf:
    """Keeps what a store would, and sees to it that it could: through its bytes and back."""

    def __init__(self):
        self.version, self.value, self.keyed = 1, None, {}
        self.sizes = []
        self._store = MemoryStateStore()

    def keep(self, matrix):
        snapshot = matrix.snapshot()
        if snapshot is None:
            self.sizes.append(0)
            return
        frozen = self._store.freeze("x", snapshot)
        self.sizes.append(frozen.size_bytes)
        self.version, self.value = snapshot.version, snapshot.value
        for key in snapshot.removed:
            del self.keyed[key]
        self.keyed.update(snapshot.changed)

    def give(self, matrix):
        matrix.restore(PartState(version=self.version, value=self.value, keyed=self.keyed))
        assert matrix.snapshot() is None


NAMES = st.sampled_from(["a", "b", "c", 1, ("d", 2), *map(str, range(30))])
STEPS = st.one_of(
    st.tuples(st.just("add"), NAMES),
    st.tuples(st.just("close"), NAMES),
    st.tuples(st.just("set"), NAMES, st.integers(0, 3), st.integers(-9, 9)),
    st.tuples(st.just("advance"), st.integers(0, 100)),
    st.tuples(st.just("flush")),
    st.tuples(st.just("keep")),
)


def take(matrix, step, shelf):
    match step:
        case "add", name:
            matrix.add_row(name)
        case "close", name:
            matrix.close_row(name)
        case "set", name, column, value:
            row = matrix.add_row(name)
            matrix.Array[row, column] = value
        case "advance", seconds:
            matrix.advance(matrix.Start - 50 + seconds)
        case ("flush",):
            matrix.flush()
        case ("keep",):
            shelf.keep(matrix)


def state_of(matrix):
    return (
        matrix.serialize(),
        list(matrix.Index.N2IMap),
        list(matrix.Index.I2NMap),
        matrix.ClosedRows.serialize(),
        matrix.Start,
    )


@given(st.lists(STEPS, max_size=60), st.data())
def test_a_window_cut_and_restored_anywhere_goes_on_the_same(steps, data):
    cut = data.draw(st.integers(0, len(steps)))

    async def main():
        app = Harness().app

        def made():
            return TimeWindowMatrix(app, "i4", start_time=1000, resolution=10, columns=4)

        whole, first, second, shelf, another = made(), made(), made(), Shelf(), Shelf()
        for step in steps:
            take(whole, step, another)
        for step in steps[:cut]:
            take(first, step, shelf)
        shelf.keep(first)
        shelf.give(second)
        for step in steps[cut:]:
            take(second, step, shelf)
        assert state_of(second) == state_of(whole)
        shelf.keep(second)
        third = made()
        shelf.give(third)
        assert state_of(third) == state_of(whole)

    run_virtual(main())


@pytest.fixture
async def app():
    async with Harness() as harness:
        yield harness.app


@pytest.mark.parametrize(
    "make",
    [
        lambda app: Matrix(app, dtype=[("a", "U3"), ("b", "2f8")]),
        lambda app: NamedMatrix(app, dtype="(2,3)i4"),
        lambda app: SessionMatrix(app, dtype=[("a", [("b", "f8")])]),
        lambda app: TimeWindowMatrix(app, dtype="(2,)i4", start_time=0),
        lambda app: GeoMatrix(app, resolution=500),
    ],
)
async def test_every_kind_of_matrix_is_restored(app, make):
    matrix, other, shelf = make(app), make(app), Shelf()
    if not isinstance(matrix, GeoMatrix):
        for name in range(20):
            matrix.add_row(*([name] if isinstance(matrix, NamedMatrix) else []))
    matrix.Array[3] = matrix.Array[3]
    matrix.Array.view("u1")[..., 0] = 1
    shelf.keep(matrix)
    shelf.give(other)
    assert other.Array.dtype == matrix.Array.dtype
    assert np.array_equal(other.Array, matrix.Array)
    assert other.ClosedRows.serialize() == matrix.ClosedRows.serialize()


async def test_only_what_has_changed_is_kept_again(app):
    matrix, shelf = NamedMatrix(app), Shelf()
    for i in range(50_000):
        matrix.add_row(f"name-{i}")
    shelf.keep(matrix)
    shelf.keep(matrix)
    matrix.Array[7] = 1.0
    shelf.keep(matrix)
    assert shelf.sizes[1] == 0
    assert shelf.sizes[0] > 500_000
    assert shelf.sizes[2] < 5_000


async def test_a_column_that_moves_is_not_kept_again(app):
    matrix, shelf = TimeWindowMatrix(app, start_time=0, resolution=1, columns=100), Shelf()
    for i in range(1000):
        matrix.add_row(i)
    matrix.Array[:] = np.arange(100)
    shelf.keep(matrix)
    matrix.add_column()
    shelf.keep(matrix)
    assert shelf.sizes[1] < shelf.sizes[0] / 20


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (
            lambda app: NamedMatrix(app, dtype="f8"),
            lambda app: NamedMatrix(app, dtype="f4"),
            "dtype",
        ),
        (NamedMatrix, TimeWindowMatrix, "class"),
        (
            lambda app: TimeWindowMatrix(app, resolution=10),
            lambda app: TimeWindowMatrix(app, resolution=60),
            "resolution",
        ),
        (
            lambda app: TimeWindowMatrix(app, columns=10),
            lambda app: TimeWindowMatrix(app, columns=9),
            "number of columns",
        ),
        (
            lambda app: GeoMatrix(app, resolution=900),
            lambda app: GeoMatrix(app, resolution=900, bbox={"min_lat": 0}),
            "bbox",
        ),
    ],
)
async def test_the_state_of_another_matrix_is_refused(app, before, after, what):
    shelf = Shelf()
    shelf.keep(before(app))
    with pytest.raises(ConfigError, match=f"another {what}(.|\n)*what to do"):
        shelf.give(after(app))


async def test_the_state_of_a_newer_version_is_refused(app):
    matrix, shelf = NamedMatrix(app), Shelf()
    shelf.keep(matrix)
    shelf.version = 2
    with pytest.raises(ConfigError, match="another version"):
        shelf.give(NamedMatrix(app))
