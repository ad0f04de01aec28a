"""A disk that is full is waited for: nothing is lost, nothing comes twice, when there is room."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from destinations import QUICK, table_destination

from bspump.file import FileSink
from bspump.state import MemoryStateStore
from bspump.testing import Harness, MemorySource, eventually

COUNT = 3000
EVENTS = [{"number": number, "pad": "x" * 200} for number in range(COUNT)]
ROOM_BYTES = 150_000
"""Less than a fifth of what is to be written."""


class Disk:
    """A disk of three megabytes that can be filled."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ballast = directory / "ballast"

    def fill(self, room_bytes: int = ROOM_BYTES) -> None:
        """Leave only so much room."""
        free_bytes = shutil.disk_usage(self.directory).free
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free_bytes - room_bytes)

    def free(self) -> None:
        """Undo `fill`."""
        self._ballast.unlink()


@pytest.fixture
def disk() -> Iterator[Disk]:
    directory = Path(tempfile.mkdtemp(prefix="bspump-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=755", "tmpfs", str(directory)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("mount is not installed")
    if mounted.returncode:
        directory.rmdir()
        pytest.skip(f"a small disk cannot be made: {mounted.stderr.strip()}")
    yield Disk(directory)
    subprocess.run(["umount", "-l", str(directory)], check=True)
    directory.rmdir()


def source(app, pipeline):
    return MemorySource(app, pipeline, list(EVENTS), chunk_size=50)


def numbers_in(directory):
    paths = sorted(directory.glob("[0-9]*"))
    lines = [line for path in paths for line in path.read_bytes().splitlines()]
    return [json.loads(line)["number"] for line in lines]


@pytest.mark.fault("FileSink", "disk full")
async def test_files_are_complete_when_there_is_room_again(disk):
    disk.fill()
    config = {"path": str(disk.directory / "{index:05}.json"), "codec": "json", **QUICK}
    store = MemoryStateStore()
    async with Harness(["--set", "[checkpoint] interval=0.1"], store=store) as harness:
        harness.chain(partial(source), partial(FileSink, config=config))
        await eventually(lambda: is_refused(harness), 20)
        disk.free()
        await harness.finish(30)
        assert harness.errors == []
    assert numbers_in(disk.directory) == list(range(COUNT))
    assert list(disk.directory.glob(".*")) == []


def is_refused(harness):
    return any("No space left" in str(vars(record)) for record in harness.logs)


@pytest.mark.fault("checkpoints", "disk full")
async def test_checkpoints_are_taken_when_there_is_room_again(disk, tmp_path):
    config = {"path": str(tmp_path / "{index:05}.json"), "codec": "json", **QUICK}
    args = ["--set", f"[general] var_dir={disk.directory}", "--set", "[checkpoint] interval=0.05"]
    async with Harness(args) as harness:
        pipeline = harness.chain(
            partial(MemorySource, events=EVENTS[: COUNT // 2], is_endless=True, chunk_size=50),
            partial(FileSink, config=config),
            config={"on_error": "dead_letter"},
        )
        await harness.settle()
        disk.fill(0)
        pipeline.Sources[0].send(EVENTS[COUNT // 2 :])
        await eventually(
            lambda: any(
                r.getMessage().startswith("cannot store a checkpoint") for r in harness.logs
            ),
            20,
        )
        disk.free()
        await harness.finish(30)
        assert harness.errors == []
    assert numbers_in(tmp_path) == list(range(COUNT))


@pytest.mark.timeout(90, func_only=True)
@pytest.mark.fault("PostgreSQLSink", "disk full")
async def test_rows_are_written_when_the_server_has_room_again(disk, request):
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(disk.directory, user.pw_uid, user.pw_gid)
    async with table_destination(request) as table:
        execute = partial(asyncio.to_thread, table.execute)
        await execute(f"CREATE TABLESPACE small LOCATION '{disk.directory}'", "postgres")
        await execute("ALTER TABLE items SET TABLESPACE small")
        disk.fill()
        store = MemoryStateStore()
        async with Harness(["--set", "[checkpoint] interval=0.1"], store=store) as harness:
            harness.chain(partial(source), partial(table.sink))
            await eventually(lambda: is_refused(harness), 20)
            disk.free()
            await harness.finish(30)
            assert harness.errors == []
        assert await table.arrived() == list(range(COUNT))
        await execute("DROP TABLE items")
        await execute("DROP TABLESPACE small", "postgres")
