"""Matrices in pipelines: as a source of events, as rows of a table, in checkpoints."""

from __future__ import annotations

from functools import partial

import pytest

import bspump
from bspump.abc.errors import UnknownNameError
from bspump.analyzer import AnalyzingSource
from bspump.matrix import (
    MatrixSource,
    NamedMatrix,
    SessionMatrix,
    SessionMatrixExportCSVGenerator,
    TimeWindowMatrix,
    TimeWindowMatrixExportCSVGenerator,
)
from bspump.state import MemoryStateStore
from bspump.testing import (
    Harness,
    MemorySource,
    MemoryTable,
    MemoryTwoPhaseSink,
    crash_everywhere,
    slow,
    virtual_time,
)
from bspump.trigger import PeriodicTrigger


def triggered(part, app, pipeline):
    return part(app, pipeline).on(PeriodicTrigger(app, 10))


@virtual_time
async def test_a_matrix_source_emits_the_matrix_itself():
    harness = Harness()
    matrix = harness.app.PumpService.add_matrix(NamedMatrix(harness.app, id="M"))
    harness.chain(partial(triggered, partial(MatrixSource, matrix_id="M")))
    async with harness:
        await harness.advance(25)
        assert harness.out() == [matrix, matrix]


async def test_a_matrix_that_is_not_registered_is_named():
    harness = Harness()
    with pytest.raises(UnknownNameError, match="matrix 'M' is not defined"):
        harness.chain(partial(MatrixSource, matrix_id="M"))


class Counting(NamedMatrix):
    async def analyze(self):
        return len(self.Index) or None


@virtual_time
async def test_an_analyzing_source_emits_what_was_found():
    harness = Harness()
    matrix = harness.app.PumpService.add_matrix(Counting(harness.app, id="M"))
    harness.chain(partial(triggered, partial(AnalyzingSource, matrix_id="M")))
    async with harness:
        await harness.advance(15)
        assert harness.out() == []
        matrix.add_row("a")
        await harness.advance(10)
        assert harness.out() == [1]


async def test_sessions_become_rows_of_a_table():
    async with Harness() as harness:
        matrix = SessionMatrix(harness.app, dtype=[("user", "U9"), ("n", "i4")])
        matrix.store("s1", ("ann", 1))
        matrix.store("s2", ("bob", 2))
        matrix.close_row("s1", clear=False)
        matrix.store("s3", ("cyd", 3))
        harness.chain(SessionMatrixExportCSVGenerator)
        harness.send([matrix])
        await harness.settle()
        assert harness.out() == [
            {"id": "s2", "user": "bob", "n": 2},
            {"id": "s3", "user": "cyd", "n": 3},
        ]


@pytest.mark.parametrize(
    ("dtype", "cell", "fields"),
    [
        ("i4", 5, {"value": 5}),
        ([("n", "i4"), ("s", "f8")], (1, 2.5), {"n": 1, "s": 2.5}),
        ("(2,)i4", [1, 2], {"value": [1, 2]}),
    ],
)
async def test_windows_become_rows_of_a_table(dtype, cell, fields):
    async with Harness() as harness:
        matrix = TimeWindowMatrix(
            harness.app, dtype=dtype, start_time=1000, resolution=10, columns=2
        )
        row = matrix.add_row("a")
        matrix.Array[row] = cell
        harness.chain(TimeWindowMatrixExportCSVGenerator)
        harness.send([matrix])
        await harness.settle()
        assert harness.out() == [
            {"id": "a", "time": 990, **fields},
            {"id": "a", "time": 1000, **fields},
        ]


class Tally(bspump.Processor):
    """Emits how often each word came so far; two pipelines share the counts."""

    def __init__(self, app, pipeline, id=None):
        super().__init__(app, pipeline, id)
        service = app.PumpService
        if "Words" not in service.Matrixes:
            service.add_matrix(NamedMatrix(app, dtype="i8", id="Words"))
        self.Words = service.locate_matrix("Words")

    def shares(self):
        return (self.Words,)

    def process(self, context, event):
        row = self.Words.add_row(event)
        self.Words.Array[row] += 1
        return event, int(self.Words.Array[row])


WORDS = ["a", "b", "a", "c", "a", "b", "d", "a", "e", "b"] * 3


def tallied(words):
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
        yield word, counts[word]


@virtual_time
async def test_a_matrix_is_part_of_the_checkpoints_of_its_users():
    def source(app, pipeline):
        made = MemorySource(app, pipeline, WORDS, chunk_size=4)
        slow(made, 0.3, method="read")  # So there are several checkpoints on the way.
        return made

    def build(harness, table):
        harness.chain(partial(source), Tally, partial(MemoryTwoPhaseSink, table=table))

    def check(table):
        assert table.Events == list(tallied(WORDS))

    assert await crash_everywhere(MemoryTable, build, check, every=25) > 20


@virtual_time
async def test_a_matrix_that_two_pipelines_share_is_kept_once():
    store = MemoryStateStore()
    for life in range(1, 3):
        harness = Harness(store=store)
        harness.chain(partial(MemorySource, id="First"), Tally, id="One")
        harness.chain(partial(MemorySource, id="Second"), Tally, id="Two")
        async with harness:
            # The second life reads on behind what the first one has read.
            harness.send(["a"] * 2 * life, "First")
            harness.send(["a"] * life, "Second")
            await harness.settle()
            await harness.pipelines[0].checkpoint()
            words = harness.app.PumpService.locate_matrix("Words")
            assert words.Array[words.get_row_index("a")] == 3 * life
    assert await store.groups() == ["One"]
    checkpoint = await store.load("One")
    assert "matrix:Words" in checkpoint.versions
