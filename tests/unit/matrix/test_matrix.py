from __future__ import annotations

import json

import numpy as np
import pytest

from bspump.abc.errors import ConfigError, DuplicateNameError, UnknownNameError
from bspump.matrix import (
    Matrix,
    NamedMatrix,
    SessionMatrix,
    TimeWindowMatrix,
)
from bspump.testing import Harness

SESSION = [("user", "U10"), ("count", "i8"), ("place", [("x", "f8"), ("y", "2i4")])]


@pytest.fixture
async def app():
    async with Harness() as harness:
        yield harness.app


async def test_rows_are_handed_out_in_ascending_order_and_new_cells_are_zero(app):
    matrix = Matrix(app)
    assert [matrix.add_row() for _ in range(40)] == list(range(40))
    assert matrix.Array.dtype == np.float64
    assert not matrix.Array.any()
    assert len(matrix.Array) >= 40


async def test_a_row_that_was_closed_is_the_next_one_and_is_zero(app):
    matrix = Matrix(app, dtype=[("a", "i4"), ("b", "U3")])
    for i in range(6):
        row = matrix.add_row()
        matrix.Array[row] = (i + 1, "abc")
    assert matrix.close_row(4)
    assert matrix.close_row(2)
    assert not matrix.close_row(2)
    assert not matrix.close_row(99)
    assert [matrix.add_row() for _ in range(2)] == [2, 4]
    assert matrix.Array[2].tolist() == (0, "")


async def test_flush_drops_free_rows_and_says_which_are_left(app):
    matrix = Matrix(app)
    for i in range(5):
        row = matrix.add_row()
        matrix.Array[row] = i
    matrix.flush()
    matrix.close_row(1)
    matrix.close_row(3)
    assert matrix.flush() == ([1, 3], [0, 2, 4])
    assert matrix.Array.tolist() == [0, 2, 4]
    assert matrix.add_row() == 3


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float_", "f8"),
        ("complex_", "c16"),
        ("(2,)float_", "(2,)f8"),
        (("float_", (2,)), "(2,)f8"),
        ([("a", "float_"), ("b", "i4", (3,))], [("a", "f8"), ("b", "i4", (3,))]),
        ([["a", [["b", "float_"]]]], [("a", [("b", "f8")])]),
        (np.int16, "i2"),
    ],
)
async def test_a_dtype_has_the_names_of_every_numpy(app, dtype, expected):
    assert Matrix(app, dtype=dtype).DType == np.dtype(expected)


@pytest.mark.parametrize("dtype", ["flaot", "O", [("a", "O")], 7])
async def test_what_is_no_dtype_or_holds_objects_is_refused(app, dtype):
    with pytest.raises(ConfigError, match="matrix:M: expected"):
        Matrix(app, dtype=dtype, id="M")


async def test_a_matrix_does_not_persist_without_saying_where(app):
    with pytest.raises(ConfigError, match="PersistentMatrix"):
        Matrix(app, persistent=True)


async def test_matrices_are_registered_at_the_service(app):
    service = app.PumpService
    matrix = service.add_matrix(NamedMatrix(app, id="M"))
    assert service.locate_matrix("M") is matrix
    assert service.locate_matrix(matrix) is matrix
    with pytest.raises(DuplicateNameError):
        service.add_matrix(NamedMatrix(app, id="M"))
    with pytest.raises(UnknownNameError, match="did you mean"):
        service.locate_matrix("m")


async def test_options_come_from_the_section_of_the_matrix():
    setting = "[matrix:M] max_closed_rows_capacity=0.5"
    harness = Harness(["--set", setting])
    matrix = NamedMatrix(harness.app, id="M")
    async with harness:
        assert matrix.MaxClosedRowsCapacity == 0.5


async def test_rows_are_found_by_name(app):
    matrix = NamedMatrix(app)
    assert matrix.add_row("a") == 0
    assert matrix.add_row(("b", 1)) == 1
    assert matrix.add_row("a") == 0
    assert matrix.get_row_index(("b", 1)) == 1
    assert matrix.get_row_name(1) == ("b", 1)
    assert matrix.get_row_index("c") is None
    assert matrix.get_row_name(7) is None
    assert list(matrix.Index.N2IMap) == ["a", ("b", 1)]
    with pytest.raises(ValueError, match="got None"):
        matrix.add_row(None)
    with pytest.raises(TypeError):
        matrix.add_row(["no key"])
    assert matrix.add_row("c") == 2


async def test_a_closed_row_is_zero_and_its_name_is_gone(app):
    matrix = NamedMatrix(app)
    for name in "abcdefghij":
        row = matrix.add_row(name)
        matrix.Array[row] = 1
    matrix.flush()
    assert matrix.close_row("c")
    assert not matrix.close_row("c")
    assert matrix.get_row_index("c") is None
    assert matrix.Array[2] == 0
    assert matrix.close_row("e", clear=True)
    assert matrix.add_row("x") == len(matrix.Index) - 1


async def test_free_rows_are_dropped_when_they_are_a_fifth_of_all(app):
    matrix = NamedMatrix(app)
    for i in range(10):
        row = matrix.add_row(i)
        matrix.Array[row] = i
    matrix.flush()
    matrix.close_row(3)
    assert len(matrix.Array) == 10
    matrix.close_row(0)
    assert matrix.Array.tolist() == [1, 2, 4, 5, 6, 7, 8, 9]
    assert len(matrix.ClosedRows) == 0
    assert [matrix.Array[matrix.get_row_index(i)] for i in (1, 9)] == [1, 9]
    matrix.close_rows([1, 2, "unknown"])
    assert sorted(matrix.Index.N2IMap) == [4, 5, 6, 7, 8, 9]


async def test_who_subscribes_hears_of_added_and_closed_rows(app):
    matrix, heard = NamedMatrix(app), []

    def hear(message):
        heard.append(message)

    matrix.PubSub.subscribe("Matrix changed!", hear)
    matrix.add_row("a")
    matrix.add_row("a")
    matrix.close_row("b")
    matrix.close_row("a")
    assert heard == ["Matrix changed!"] * 2


async def test_rows_are_a_metric(app):
    matrix = NamedMatrix(app, id="M")
    for name in "abc":
        matrix.add_row(name)
    app.MetricsService.collect()
    assert matrix.Gauge.tags == {"matrix": "M"}
    assert matrix.Gauge.values == {"rows.active": 3, "rows.closed": len(matrix.Array) - 3}
    assert matrix.rest_get()["Shape"] == [len(matrix.Array)]


async def test_sessions_are_records_with_a_name(app):
    matrix = SessionMatrix(app, dtype=SESSION)
    row = matrix.store("s1", ("ann", 3, (1.5, [1, 2])))
    assert matrix.decode_row(row) == {
        "user": "ann",
        "count": 3,
        "place": [1.5, [1, 2]],
        "id": "s1",
    }
    matrix.store_event(row, {"user": "bob", "count": 4, "else": 1}, keys=["user", "else"])
    assert matrix.decode_row(row, keys=["user", "count"]) == {"user": "bob", "count": 3, "id": "s1"}
    matrix.store_event(row, {"count": 9})
    assert matrix.decode_row(row, keys=["count"]) == {"count": 9, "id": "s1"}
    json.dumps(matrix.decode_row(row))


async def test_the_name_of_a_session_is_decoded_as_configured(app):
    matrix = SessionMatrix(app, dtype=SESSION, config={"primary_name": "session"})
    assert matrix.decode_row(matrix.add_row("s1"), keys=[]) == {"session": "s1"}


@pytest.mark.parametrize(
    "make",
    [
        lambda app: SessionMatrix(app, dtype=SESSION),
        lambda app: TimeWindowMatrix(app, dtype="i4", columns=4, start_time=1000),
        lambda app: TimeWindowMatrix(app, dtype=[("n", "i4"), ("s", "f8")], start_time=1000),
        lambda app: NamedMatrix(app, dtype="(2,)f8"),
    ],
)
async def test_a_named_matrix_goes_through_json_and_back(app, make):
    matrix, other = make(app), make(app)
    for name in "abcdef":
        matrix.add_row(name)
    matrix.Array.view("u1")[...] = 1 if matrix.Array.dtype.names is None else 0
    matrix.close_row("b")
    other.deserialize(json.loads(json.dumps(matrix.serialize())))
    assert np.array_equal(other.Array, matrix.Array)
    assert other.serialize() == matrix.serialize()
    assert other.add_row("g") == matrix.add_row("g")


async def test_an_empty_matrix_goes_through_json_too(app):
    matrix = NamedMatrix(app)
    matrix.flush()
    other = NamedMatrix(app)
    other.deserialize(matrix.serialize())
    assert other.Array.shape == (0,)
    assert other.add_row("a") == 0


async def test_zeros_begins_anew(app):
    matrix = NamedMatrix(app)
    row = matrix.add_row("a")
    matrix.Array[row] = 1
    matrix.zeros(3)
    assert matrix.Array.tolist() == [0, 0, 0]
    assert matrix.ClosedRows.get_rows() == {0, 1, 2}
    assert matrix.get_row_index("a") is None
