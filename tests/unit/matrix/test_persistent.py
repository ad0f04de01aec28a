from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bspump.abc.errors import ConfigError
from bspump.abc.state import PartState
from bspump.matrix import (
    PersistentGeoMatrix,
    PersistentMatrix,
    PersistentNamedMatrix,
    PersistentSessionMatrix,
    PersistentTimeWindowMatrix,
)
from bspump.matrix.journal import Journal
from bspump.testing import Harness, eventually


@pytest.fixture
async def app():
    async with Harness() as harness:
        yield harness.app


@pytest.fixture
def config(tmp_path):
    return {"path": str(tmp_path / "matrix")}


LONG_NAME = "a name of much more than thirty characters: " + "x" * 100

KINDS = [
    (PersistentMatrix, {}),
    (PersistentNamedMatrix, {"dtype": "(2,)i4"}),
    (PersistentSessionMatrix, {"dtype": [("a", "U5"), ("b", "i8")]}),
    (PersistentTimeWindowMatrix, {"start_time": 1000, "resolution": 10, "columns": 3}),
    (PersistentGeoMatrix, {"resolution": 500}),
]


@pytest.mark.parametrize(("kind", "arguments"), KINDS)
async def test_what_was_saved_is_there_again(app, config, kind, arguments):
    matrix = kind(app, config=config, **arguments)
    names = [LONG_NAME, ("tuple", 1), 7] if hasattr(matrix, "Index") else []
    for name in names:
        matrix.add_row(name)
    matrix.save()
    matrix.Array.view("u1")[..., 0] = 1
    matrix.save()
    if names:
        matrix.close_row(7)
    matrix.save()
    matrix.close()
    again = kind(app, config=config, **arguments)
    assert np.array_equal(again.Array, matrix.Array)
    assert again.ClosedRows.serialize() == matrix.ClosedRows.serialize()
    if names:
        assert again.Index.N2IMap == matrix.Index.N2IMap
        assert again.serialize() == matrix.serialize()
    again.close()


async def test_a_moment_in_the_window_is_kept(app, config):
    matrix = PersistentTimeWindowMatrix(app, start_time=1000, resolution=10, config=config)
    matrix.advance(5000)
    row = matrix.add_row("a")
    matrix.Array[row, -1] = 5
    matrix.save()
    matrix.close()
    again = PersistentTimeWindowMatrix(app, start_time=9, resolution=10, config=config)
    assert again.Start == matrix.Start
    assert again.Array[0, -1] == 5
    assert again.WarmingUpCount.serialize() == matrix.WarmingUpCount.serialize()
    again.close()


async def test_it_is_saved_while_the_application_runs_and_at_its_end(config):
    harness = Harness()
    matrix = PersistentNamedMatrix(harness.app, config={**config, "save_period": "10ms"})
    async with harness:
        matrix.add_row("a")
        await eventually((matrix.Path / "matrix.log").exists)
        row = matrix.add_row("b")
        matrix.Array[row] = 9
    again = PersistentNamedMatrix(harness.app, config=config)
    assert again.Index.N2IMap == {"a": 0, "b": 1}
    assert again.Array[1] == 9
    again.close()


async def test_a_checkpoint_counts_more_than_the_file(app, config):
    matrix = PersistentNamedMatrix(app, config=config)
    matrix.add_row("checkpoint")
    kept = matrix.snapshot()
    matrix.add_row("file")
    matrix.save()
    matrix.close()
    again = PersistentNamedMatrix(app, config=config)
    again.restore(PartState(version=1, value=kept.value, keyed=dict(kept.changed)))
    assert again.Index.N2IMap == {"checkpoint": 0}
    again.save()
    again.close()
    last = PersistentNamedMatrix(app, config=config)
    assert last.Index.N2IMap == {"checkpoint": 0}
    last.close()


async def test_without_a_path_it_says_what_to_do(app):
    with pytest.raises(ConfigError, match=r"\[matrix:M\] path(.|\n)*what to do"):
        PersistentMatrix(app, id="M")


async def test_one_matrix_at_a_time_has_the_folder(app, config):
    matrix = PersistentNamedMatrix(app, config=config)
    with pytest.raises(ConfigError, match="used by another"):
        PersistentNamedMatrix(app, config=config)
    matrix.close()
    matrix.close()
    PersistentNamedMatrix(app, config=config).close()


async def test_a_folder_that_cannot_be_made_is_a_configuration_error(app, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        PersistentNamedMatrix(app, config={"path": str(tmp_path / "file" / "below")})


async def test_the_file_of_another_matrix_is_refused_and_left_alone(app, config):
    matrix = PersistentNamedMatrix(app, config=config)
    matrix.add_row("a")
    matrix.save()
    matrix.close()
    before = (matrix.Path / "matrix.log").read_bytes()
    with pytest.raises(ConfigError, match="another dtype"):
        PersistentNamedMatrix(app, dtype="i4", config=config)
    assert (matrix.Path / "matrix.log").read_bytes() == before
    PersistentNamedMatrix(app, config=config).close()


async def test_wherever_a_crash_cuts_the_file_an_older_state_is_left(app, config):
    matrix = PersistentNamedMatrix(app, config=config)
    sizes = []
    for i in range(5):
        matrix.add_row(f"name-{i}")
        matrix.save()
        sizes.append((matrix.Path / "matrix.log").stat().st_size)
    matrix.close()
    file = matrix.Path / "matrix.log"
    whole = file.read_bytes()
    for end in range(sizes[0], len(whole) + 1, 7):
        file.write_bytes(whole[:end])
        again = PersistentNamedMatrix(app, config=config)
        known = sum(size <= end for size in sizes)
        assert list(again.Index.N2IMap) == [f"name-{i}" for i in range(known)]
        again.add_row("more")
        again.save()
        again.close()
        last = PersistentNamedMatrix(app, config=config)
        assert "more" in last.Index
        last.close()


@pytest.mark.parametrize("damage", ["begin", "first", "middle"])
async def test_a_damaged_file_is_never_taken_for_an_empty_one(app, config, damage):
    matrix = PersistentNamedMatrix(app, config=config)
    ends = []
    for name in "abc":
        matrix.add_row(name)
        matrix.save()
        ends.append((matrix.Path / "matrix.log").stat().st_size)
    matrix.close()
    file = matrix.Path / "matrix.log"
    content = bytearray(file.read_bytes())
    content[{"begin": 0, "first": ends[0] - 1, "middle": ends[1] - 1}[damage]] ^= 1
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"matrix\.log cannot be read(.|\n)*what to do"):
        PersistentNamedMatrix(app, config=config)


def test_a_journal_is_written_anew_when_it_has_grown(tmp_path):
    journal = Journal(tmp_path, "test")
    journal.write(b"first", is_complete=True)
    while not journal.wants_all():
        journal.write(b"x" * 100_000, is_complete=False)
    size = journal.path.stat().st_size
    assert 1 << 20 < size < 1.2 * (1 << 20)
    journal.write(b"all", is_complete=True)
    assert not journal.wants_all()
    assert journal.read() == [b"all"]
    journal.close()


def test_after_a_failure_everything_is_written_again(tmp_path):
    journal = Journal(tmp_path, "test")
    journal.write(b"first", is_complete=True)
    journal.path.unlink()
    journal.path.mkdir()
    with pytest.raises(OSError, match="directory"):
        journal.write(b"second", is_complete=False)
    assert journal.wants_all()
    journal.path.rmdir()
    with pytest.raises(OSError, match="the change before"):
        journal.write(b"third", is_complete=False)
    journal.write(b"all", is_complete=True)
    assert journal.read() == [b"all"]
    journal.close()


async def test_a_failure_is_logged_and_loses_nothing(config):
    harness = Harness()
    matrix = PersistentNamedMatrix(harness.app, config={**config, "save_period": "10ms"})
    file = matrix.Path / "matrix.log"
    async with harness:
        matrix.add_row("a")
        file.mkdir()
        await eventually(lambda: any("not saved" in r.getMessage() for r in harness.logs))
        file.rmdir()
        await eventually(file.is_file)
    again = PersistentNamedMatrix(harness.app, config=config)
    assert list(again.Index.N2IMap) == ["a"]
    again.close()


PROGRAM = """
import asyncio, json, sys
import bspump
from bspump.matrix import PersistentNamedMatrix

async def main():
    app = bspump.BSPumpApplication(args=[])
    config = {"path": sys.argv[1], "save_period": "1ms"}
    matrix = PersistentNamedMatrix(app, dtype="i8", config=config)
    async with app.running():
        while True:
            row = matrix.add_row(len(matrix.Index))
            matrix.Array[row] = len(matrix.Index)
            await asyncio.sleep(0)
            print(len(matrix.Index), flush=True)

asyncio.run(main())
"""


def size_of(file):
    return file.stat().st_size if file.exists() else 0


async def test_a_killed_process_leaves_a_state_of_a_moment_ago(app, config):
    file = Path(config["path"]) / "matrix.log"
    found = 0
    for _ in range(3):
        with subprocess.Popen(  # noqa: ASYNC220 - there is nothing else in the loop
            [sys.executable, "-c", PROGRAM, config["path"]], stdout=subprocess.PIPE, text=True
        ) as process:
            first = int(process.stdout.readline())
            assert first == found + 1
            size = size_of(file)
            while size_of(file) == size:
                process.stdout.readline()
            for _ in range(100):
                process.stdout.readline()
            process.kill()
        matrix = PersistentNamedMatrix(app, dtype="i8", config=config)
        names = list(matrix.Index.N2IMap)
        assert len(names) > found
        assert names == list(range(len(names)))
        assert matrix.Array[: len(names)].tolist() == [name + 1 for name in names]
        matrix.close()
        found = len(names)
