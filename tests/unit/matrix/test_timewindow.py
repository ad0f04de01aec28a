from __future__ import annotations

import numpy as np
import pytest

from bspump.abc.errors import ConfigError
from bspump.matrix import TimeWindowMatrix
from bspump.testing import Harness, virtual_time


@pytest.fixture
async def app():
    async with Harness() as harness:
        yield harness.app


async def test_the_newest_column_contains_the_start_time(app):
    matrix = TimeWindowMatrix(app, start_time=1000, resolution=10, columns=3)
    assert (matrix.Start, matrix.End) == (1010, 980)
    assert matrix.get_column(1005) == 2
    assert matrix.get_column(985) == 0
    assert matrix.advance(1010) == 1
    assert (matrix.Start, matrix.End) == (1020, 990)
    assert matrix.TimeConfig.get_resolution() == 10
    assert matrix.TimeConfig.get_columns() == 3


async def test_events_outside_of_the_window_are_counted(app):
    matrix = TimeWindowMatrix(app, start_time=1000, resolution=10, columns=3)
    assert [matrix.get_column(ts) for ts in (980, 0, 980.1, 1009.9, 1010, 5000)] == [
        None,
        None,
        0,
        2,
        None,
        None,
    ]
    assert matrix.EarlyLateEventCounter.values == {"events.early": 2, "events.late": 2}


@pytest.mark.parametrize("ts", [1007.4, 1007.5, 1008, 1010, 1017.4, 1017.5, 1035, 9999])
async def test_after_an_advance_more_than_a_quarter_of_a_column_is_left(app, ts):
    matrix = TimeWindowMatrix(app, start_time=1000, resolution=10, columns=3)
    expected, start = 0, 1010
    while not start - ts > 2.5:
        start += 10
        expected += 1
    assert matrix.advance(ts) == expected
    assert (matrix.Start, matrix.End) == (start, start - 30)
    assert matrix.advance(ts) == 0


async def test_columns_move_to_the_left_and_the_oldest_is_gone(app):
    matrix = TimeWindowMatrix(app, dtype="i8", start_time=1000, resolution=10, columns=3)
    row = matrix.add_row("a")
    matrix.Array[row] = [1, 2, 3]
    matrix.add_column()
    assert matrix.Array[0].tolist() == [2, 3, 0]
    matrix.advance(matrix.Start + 10)
    assert matrix.Array[0].tolist() == [0, 0, 0]
    matrix.Array[0] = [1, 2, 3]
    assert matrix.advance(1e9) > 3
    assert not matrix.Array.any()


async def test_the_window_does_not_move_back(app):
    matrix = TimeWindowMatrix(app, start_time=1000, resolution=10, columns=3)
    assert matrix.advance(0) == 0
    assert matrix.Start == 1010


async def test_a_row_warms_up_while_it_has_columns_older_than_itself(app):
    matrix = TimeWindowMatrix(app, start_time=1000, resolution=10, columns=3)
    row = matrix.add_row("a")
    counts = []
    for _ in range(5):
        counts.append(int(matrix.WarmingUpCount.WUC[row]))
        matrix.add_column()
    assert counts == [3, 2, 1, 0, 0]
    matrix.add_row("b")
    assert matrix.add_row("a") == row
    assert matrix.WarmingUpCount.WUC[row] == 0
    matrix.close_row("b")
    assert not matrix.WarmingUpCount.WUC.any()


async def test_rows_keep_their_columns_when_the_array_grows_and_shrinks(app):
    matrix = TimeWindowMatrix(app, dtype="i4", start_time=1000, resolution=10, columns=3)
    for i in range(30):
        row = matrix.add_row(i)
        matrix.Array[row] = i
    matrix.close_rows(range(0, 30, 2))
    assert matrix.Array.shape[1] == 3
    assert len(matrix.WarmingUpCount.WUC) == len(matrix.Array)
    for i in range(1, 30, 2):
        row = matrix.get_row_index(i)
        assert matrix.Array[row].tolist() == [i] * 3
        assert matrix.WarmingUpCount.WUC[row] == 3


async def test_cells_may_be_records(app):
    dtype = [("sum", "f8"), ("count", "i8")]
    matrix = TimeWindowMatrix(app, dtype=dtype, start_time=1000, resolution=10, columns=2)
    row = matrix.add_row("a")
    matrix.Array["sum"][row, 1] += 2.5
    matrix.add_column()
    assert matrix.Array[row].tolist() == [(2.5, 0), (0.0, 0)]


@pytest.mark.parametrize("wrong", [{"resolution": 0}, {"columns": -1}, {"resolution": "soon"}])
async def test_a_window_of_no_size_is_refused(app, wrong):
    with pytest.raises(ConfigError, match="matrix:M: expected a resolution"):
        TimeWindowMatrix(app, id="M", **wrong)


async def test_numbers_may_be_given_as_text(app):
    matrix = TimeWindowMatrix(app, start_time=1000, resolution="10s", columns="3")
    assert (matrix.Start, matrix.End) == (1010, 980)


@virtual_time
async def test_a_window_driven_by_the_clock_follows_it():
    harness = Harness()
    matrix = TimeWindowMatrix(harness.app, resolution=10, columns=3, clock_driven=True)
    row = matrix.add_row("a")
    matrix.Array[row, 2] = 7
    async with harness:
        await harness.advance(10)
        assert matrix.Array[row].tolist() == [0, 7, 0]
        now = harness.app.time()
        assert 2.5 < matrix.Start - now <= 12.5
        await harness.advance(3600)
        assert 0 < matrix.Start - harness.app.time() <= 12.5
        assert not matrix.Array.any()


@virtual_time
async def test_a_window_of_the_past_follows_the_clock_from_its_start_on():
    async with Harness() as harness:
        now = harness.app.time()
        matrix = TimeWindowMatrix(
            harness.app, start_time=now - 1e6, resolution=10, columns=3, clock_driven=True
        )
        matrix.start()
        matrix.start()
        assert matrix.get_column(now) is not None


@virtual_time
async def test_an_event_of_now_is_in_the_window_although_the_loop_was_busy():
    async with Harness() as harness:
        matrix = TimeWindowMatrix(harness.app, resolution=10, columns=3, clock_driven=True)
        await harness.advance(60)  # Its clock was never started.
        assert matrix.get_column(harness.app.time()) is not None
        assert matrix.get_column(harness.app.time() + 60) is None
        assert matrix.EarlyLateEventCounter.values["events.early"] == 1


async def test_advancing_a_large_window_is_quick(app):
    matrix = TimeWindowMatrix(app, start_time=1000, resolution=10, columns=15)
    matrix._grow_rows(100_000)
    matrix.Array[:] = np.arange(15)
    matrix.add_column()
    assert (matrix.Array[:, :14] == np.arange(1, 15)).all()
