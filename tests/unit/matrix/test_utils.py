from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.matrix import NamedMatrix
from bspump.matrix.utils import ClosedRows, Index, TimeConfig, WarmingUpCount
from bspump.testing import Harness, run_virtual


def test_free_rows_are_handed_out_from_the_smallest_on():
    rows = ClosedRows(max_len=3)
    rows.extend(3, 5)
    rows.add(1)
    rows.add(1)
    assert rows.is_full()
    assert list(rows) == [1, 3, 4]
    assert 3 in rows
    assert [rows.pop(), rows.pop()] == [1, 3]
    assert not rows.is_full()
    rows.deserialize([9, 2])
    assert rows.serialize() == [2, 9]
    assert rows.get_rows() == {2, 9}
    assert rows.pop() == 2
    rows.flush()
    assert len(rows) == 0
    with pytest.raises(IndexError):
        rows.pop()


def test_names_keep_their_order_when_rows_get_new_numbers():
    index = Index()
    for name, row in (("b", 5), ("a", 0), ("c", 2)):
        index.add_row(name, row)
    assert index.pop_row("a") == 0
    assert index.pop_row("a") is None
    index.flush([2, 5])
    assert index.serialize() == {"b": 1, "c": 0}
    assert list(index.N2IMap) == ["b", "c"]
    assert (index.get_row_index("c"), index.get_row_name(1)) == (0, "b")
    assert index.get_place(1) < index.get_place(0)
    assert index.get_place(7) == 0
    assert ("a" in index, len(index)) == (False, 2)


def test_the_times_of_a_window_may_be_set_and_moved():
    config = TimeConfig(resolution=60, columns=15, start=0)
    assert (config.get_start(), config.get_end()) == (60, 60 - 900)
    config.set_start(100)
    config.set_end(10)
    config.add_start(60)
    config.add_end(60)
    assert (config.get_start(), config.get_end()) == (160, 70)


def test_rows_warm_up_until_they_are_warm():
    counts = WarmingUpCount(2)
    counts.assign(1, 3)
    counts.extend(3)
    counts.decrease()
    assert counts.serialize() == [0, 2, 0]
    counts.decrease(5)
    assert counts.serialize() == [0, 0, 0]
    counts.deserialize([1, 2])
    counts.flush([1])
    assert counts.WUC.tolist() == [2]


STEPS = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 40), st.integers(1, 9)),
    st.tuples(st.just("close"), st.lists(st.integers(0, 40), max_size=8)),
    st.just(("flush",)),
)


@given(st.lists(STEPS, max_size=150))
def test_a_named_matrix_is_a_dict_whatever_is_done_to_it(steps):
    async def main():
        matrix, expected = NamedMatrix(Harness().app, dtype="i4"), {}
        for step in steps:
            match step:
                case "put", name, value:
                    row = matrix.add_row(name)
                    assert matrix.Array[row] == expected.get(name, 0)
                    matrix.Array[row] = expected[name] = value
                case "close", names:
                    matrix.close_rows(names)
                    for name in names:
                        expected.pop(name, None)
                case ("flush",):
                    matrix.flush()
            found = {n: int(matrix.Array[row]) for n, row in matrix.Index.N2IMap.items()}
            assert found == expected
            assert len(matrix.Array) == len(matrix.Index) + len(matrix.ClosedRows)
            assert all(matrix.get_row_name(row) is None for row in matrix.ClosedRows)
            assert matrix.Array.sum() == sum(expected.values())

    run_virtual(main())
