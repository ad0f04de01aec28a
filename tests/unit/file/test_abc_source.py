"""Files are claimed, read, and put aside; whatever happens, each is read."""

from __future__ import annotations

import asyncio
import bz2
import functools
import gzip
import lzma
import os
from typing import ClassVar

import pytest
import zstandard

from bspump import Pipeline
from bspump.abc.config import Config
from bspump.abc.errors import OptionError
from bspump.file import FileABCSource, FileBlockSource, FileLineSource
from bspump.testing import eventually
from bspump.trigger import OpportunisticTrigger

COMPRESS = {
    "txt": lambda data: data,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zst": zstandard.compress,
}


def listed(directory):
    return sorted(path.name for path in directory.iterdir())


def place(directory, name, content="content\n"):
    """Put a file there at once, as a careful producer does."""
    (directory / f".{name}").write_text(content)
    (directory / f".{name}").rename(directory / name)


class Looks(list):
    """Gets longer with every look that finds nothing."""

    def __init__(self, pipeline):
        # Subscribers are held by weak references, and this is one as long as the list lives.
        pipeline.PubSub.subscribe("bspump.file_source.no_files!", self.note)

    def note(self, message):
        self.append(message)


class Broken(FileABCSource):
    """Fails in the middle of a file."""

    async def read(self, filename, f):
        await self.process(f.read())
        raise ValueError("no good")


class Slow(FileABCSource):
    """Reads until it is stopped."""

    async def read(self, filename, f):
        await self.process((filename, f.read()))
        await self.stopped()


async def test_files_are_read_in_their_order_and_put_aside(tmp_path, harness, run_source):
    for name in ("b.txt", "a.txt", "c.other"):
        place(tmp_path, name, name)
    run_source(FileBlockSource, config={"path": f"{tmp_path}/*.txt"})
    await eventually(lambda: len(harness.out()) == 2)
    assert harness.out() == [b"a.txt", b"b.txt"]
    await eventually(lambda: listed(tmp_path) == ["a.txt-processed", "b.txt-processed", "c.other"])


async def test_read_files_may_be_deleted(tmp_path, harness, run_source):
    place(tmp_path, "a.txt")
    run_source(FileBlockSource, config={"path": f"{tmp_path}/*", "post": "delete"})
    await eventually(lambda: listed(tmp_path) == [])
    assert harness.out() == [b"content\n"]


async def test_read_files_may_be_moved(tmp_path, harness, run_source):
    place(tmp_path, "a.txt")
    config = {"path": f"{tmp_path}/*.txt", "move_destination": str(tmp_path / "done")}
    run_source(FileBlockSource, config=config)
    await eventually(lambda: listed(tmp_path) == ["done"])
    assert listed(tmp_path / "done") == ["a.txt-processed"]


async def test_files_left_as_they_are_are_read_again_only_when_they_change(
    tmp_path, harness, run_source
):
    place(tmp_path, "a.txt", "one")
    pipeline = run_source(FileBlockSource, config={"path": f"{tmp_path}/*", "post": "noop"})
    looks = Looks(pipeline)
    await eventually(lambda: len(looks) > 3)
    assert harness.out() == [b"one"]
    place(tmp_path, "a.txt", "two")
    await eventually(lambda: len(harness.out()) == 2)
    assert harness.out() == [b"one", b"two"]
    assert listed(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("extension", COMPRESS)
@pytest.mark.parametrize(("mode", "expected"), [("rb", b"\xc3\xa9\n"), ("r", "é\n")])
async def test_compressed_files_are_read_as_if_they_were_not(
    tmp_path, harness, run_source, extension, mode, expected
):
    path = tmp_path / f"a.{extension}"
    path.write_bytes(COMPRESS[extension]("é\n".encode()))
    run_source(FileLineSource, config={"path": f"{tmp_path}/*", "mode": mode})
    await eventually(lambda: harness.out() == [expected])
    await eventually(lambda: listed(tmp_path) == [f"a.{extension}-processed"])


@pytest.mark.parametrize("extension", ["gz", "bz2", "xz", "zst"])
async def test_a_corrupt_file_is_set_aside_and_the_error_names_it(
    tmp_path, harness, run_source, extension
):
    path = tmp_path / f"a.{extension}"
    path.write_bytes(COMPRESS[extension](os.urandom(1000))[:500])
    pipeline = run_source(FileBlockSource, config={"path": f"{tmp_path}/*"})
    await eventually(pipeline.has_error)
    assert listed(tmp_path) == [f"a.{extension}-failed"]
    assert str(path) in harness.errors[0].error.__notes__[0]


async def test_a_file_that_fails_is_set_aside_and_the_next_is_read_after_the_error_is_cleared(
    tmp_path, harness, run_source
):
    place(tmp_path, "a.txt")
    place(tmp_path, "b.txt")
    pipeline = run_source(Broken, config={"path": f"{tmp_path}/*"})
    await eventually(pipeline.has_error)
    assert listed(tmp_path) == ["a.txt-failed", "b.txt"]
    pipeline.set_error(None, None, None)
    await eventually(lambda: listed(tmp_path) == ["a.txt-failed", "b.txt-failed"])
    assert len(harness.errors) == 2


async def test_a_file_that_fails_and_stays_is_not_read_for_ever(tmp_path, harness, run_source):
    place(tmp_path, "a.txt")
    pipeline = run_source(Broken, config={"path": f"{tmp_path}/*", "post": "noop"})
    looks = Looks(pipeline)
    await eventually(pipeline.has_error)
    pipeline.set_error(None, None, None)
    await eventually(lambda: len(looks) > 3)
    assert len(harness.errors) == 1
    assert listed(tmp_path) == ["a.txt"]


async def test_a_stop_in_the_middle_gives_the_file_back(tmp_path, harness, run_source):
    place(tmp_path, "a.txt")
    pipeline = run_source(Slow, config={"path": f"{tmp_path}/*"})
    await eventually(harness.out)
    assert listed(tmp_path) == ["a.txt-locked"]
    assert harness.out() == [(str(tmp_path / "a.txt"), b"content\n")]
    await pipeline.stop()
    assert listed(tmp_path) == ["a.txt"]


async def test_a_file_left_behind_is_taken_up(tmp_path, harness, run_source):
    place(tmp_path, "a.txt-locked", "locked")
    place(tmp_path, "b.txt", "free")
    run_source(FileBlockSource, config={"path": f"{tmp_path}/*.txt"})
    await eventually(lambda: listed(tmp_path) == ["a.txt-processed", "b.txt-processed"])
    assert harness.out() == [b"locked", b"free"]


async def test_several_sources_share_a_directory(tmp_path, harness):
    names = [f"{i:03}" for i in range(50)]
    for name in names:
        place(tmp_path, name, name)

    class Patient(FileBlockSource):
        async def read(self, filename, f):
            await asyncio.sleep(0.001)
            await super().read(filename, f)

    def make(app, pipeline, *, id):
        config = {"path": f"{tmp_path}/*", "post": "delete"}
        source = Patient(app, pipeline, id=id, config=config)
        return source.on(OpportunisticTrigger(app, chilldown_period=0))

    harness.chain(*(functools.partial(make, id=f"In{i}") for i in range(4)))
    await eventually(lambda: listed(tmp_path) == [])
    assert sorted(harness.out()) == [name.encode() for name in names]


async def test_what_is_not_meant_is_left_alone(tmp_path, harness, run_source):
    for name in ("a.csv", "b.csv", "b.txt", "c.csv-failed", "d.csv-processed"):
        place(tmp_path, name, name)
    config = {"path": f"{tmp_path}/*", "include": "*.csv", "exclude": f"{tmp_path}/a*"}
    run_source(FileBlockSource, config=config)
    await eventually(lambda: "b.csv-processed" in listed(tmp_path))
    assert harness.out() == [b"b.csv"]


async def test_files_are_counted_by_what_became_of_them(tmp_path, harness, run_source):
    for name in ("a", "b-failed", "c-processed", "d-processed"):
        place(tmp_path, name)
    run_source(Slow, config={"path": f"{tmp_path}/*"})
    await eventually(harness.out)
    metrics = [m for m in harness.app.MetricsService.Metrics if m.name == "file_count"]
    assert [metric.tags for metric in metrics] == [{"pipeline": "Test"}]
    values = metrics[0].values
    assert values.pop("scan_time") >= 0
    assert values == {
        "processed": 2,
        "failed": 1,
        "locked": 0,
        "unprocessed": 1,
        "all_files": 4,
    }


async def test_the_sinks_are_durable_before_a_file_is_put_aside(tmp_path, harness, run_source):
    place(tmp_path, "a")
    pipeline = run_source(FileBlockSource, config={"path": f"{tmp_path}/*"})
    seen = []
    settle = pipeline.settle

    async def noted():
        seen.append(listed(tmp_path))
        await settle()

    pipeline.settle = noted
    await eventually(lambda: listed(tmp_path) == ["a-processed"])
    assert seen == [["a-locked"]]


async def test_options_are_converted_from_text(harness):
    source = FileABCSource(
        harness.app,
        Pipeline(harness.app, "P"),
        config={
            "lines_per_event": "3",
            "event_idle_time": "5ms",
            "newline": r"\r\n",
            "max_line": "1KiB",
        },
    )
    assert harness.app.Config.problems == []
    options = source.Options
    assert (options.lines_per_event, options.event_idle_time) == (3, 0.005)
    assert (options.newline, options.max_line) == ("\r\n", 1024)
    assert isinstance(source.Config, Config)


async def test_a_user_class_may_have_defaults_of_its_own(harness):
    class Mine(FileLineSource):
        ConfigDefaults: ClassVar = {"path": "./*.mine", "post": "noop", "extra": "1"}

    source = Mine(harness.app, Pipeline(harness.app, "P"))
    assert (source.Config["path"], source.Config["post"]) == ("./*.mine", "noop")
    assert (source.Options.post, source.Config["extra"]) == ("noop", "1")


@pytest.mark.parametrize(("key", "value"), [("post", "burn"), ("mode", "wb"), ("max_line", "0")])
async def test_a_wrong_option_is_said_before_anything_starts(harness, key, value):
    with pytest.raises(OptionError) as found:
        FileABCSource(harness.app, Pipeline(harness.app, "P"), config={key: value})
    assert found.value.key == key


async def test_simulated_events_let_others_run_now_and_then(harness):
    source = FileABCSource(
        harness.app,
        Pipeline(harness.app, "P"),
        config={"lines_per_event": 2, "event_idle_time": 0},
    )
    turns = []
    loop = asyncio.get_running_loop()
    for _ in range(4):
        loop.call_soon(turns.append, len(turns))
        await source.simulate_event()
    assert len(turns) == 4
