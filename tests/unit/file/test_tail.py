"""Files that grow are followed, whatever happens to their names."""

from __future__ import annotations

import functools
import gzip
import io
import shutil

import msgspec
import pytest

from bspump import Pipeline
from bspump.abc.errors import ConfigError
from bspump.file import TailSource
from bspump.testing import Harness, ManualClock, eventually


class Log:
    """A log file that is written to and rotated."""

    def __init__(self, path):
        self.path = path
        self.file = path.open("ab", buffering=0)

    def write(self, data):
        self.file.write(data)

    def rotate_by_renaming(self, to=None):
        """Rename the file; what writes goes on writing to it until `reopen`."""
        self.path.rename(to or self.path.with_name(self.path.name + ".1"))

    def reopen(self):
        self.file.close()
        self.file = self.path.open("ab", buffering=0)

    def rotate_by_copying(self, to=None):
        shutil.copyfile(self.path, to or self.path.with_name(self.path.name + ".1"))
        self.file.truncate(0)

    def close(self):
        self.file.close()


@pytest.fixture
def log(tmp_path):
    log = Log(tmp_path / "app.log")
    yield log
    log.close()


class Tail:
    """A tail source that is driven by hand, and may be started again from its position."""

    def __init__(self, harness, **config):
        self.clock = ManualClock(jumps=True)
        self.harness, self.config = harness, config
        self.position = None
        self.source = None

    async def read(self):
        """Return all lines that there are now."""
        if self.source is None:
            self.source = TailSource(
                self.harness.app, Pipeline(self.harness.app, "Bare"), config=self.config
            )
            await self.source.connect()
        events = []
        while True:
            chunk = await self.source.read(self.position)
            self.position = chunk.position
            events += chunk.events
            if not chunk.events:
                return events

    async def restart(self):
        """Forget everything but the position, which is stored and read again."""
        await self.close()
        self.position = msgspec.json.decode(msgspec.json.encode(self.position))

    async def close(self):
        if self.source is not None:
            await self.source.close()
        self.source = None


@pytest.fixture
async def tail(tmp_path):
    """Return a function that makes a tail of `app.log` or of what is said."""
    tails = []
    async with Harness() as harness:
        clock = ManualClock()
        harness.app.Clock, real = clock, harness.app.Clock

        def make(path="app.log", **config):
            tails.append(Tail(harness, path=str(tmp_path / path), **config))
            tails[-1].clock = clock
            return tails[-1]

        yield make
        harness.app.Clock = real
        for each in tails:
            await each.close()


@pytest.fixture(params=[False, True], ids=["running", "restarted"])
def maybe_restart(request):
    """Return what restarts a tail in one run of the test, and does nothing in the other."""

    async def maybe_restart(tail):
        if request.param:
            await tail.restart()

    return maybe_restart


async def test_new_lines_are_read_as_they_come(log, tail, maybe_restart):
    follower = tail()
    log.write(b"one\ntwo\n")
    assert await follower.read() == [b"one", b"two"]
    await maybe_restart(follower)
    assert await follower.read() == []
    log.write(b"three\n")
    assert await follower.read() == [b"three"]


async def test_an_unfinished_line_waits_for_its_newline(log, tail, maybe_restart):
    follower = tail()
    log.write(b"one\ntw")
    assert await follower.read() == [b"one"]
    await maybe_restart(follower)
    log.write(b"o\n")
    assert await follower.read() == [b"two"]


async def test_a_file_may_appear_later(tmp_path, tail):
    follower = tail("later/*.log")
    assert await follower.read() == []
    (tmp_path / "later").mkdir()
    (tmp_path / "later/a.log").write_bytes(b"one\n")
    assert await follower.read() == [b"one"]


async def test_files_of_a_glob_are_followed_and_new_ones_found(tmp_path, tail, maybe_restart):
    follower = tail("*.log", exclude="c*")
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.log").write_text("one\n")
    assert await follower.read() == [b"one", b"one"]
    await maybe_restart(follower)
    (tmp_path / "d.log").write_text("two\n")
    with (tmp_path / "a.log").open("a") as file:
        file.write("three\n")
    assert sorted(await follower.read()) == [b"three", b"two"]


@pytest.mark.parametrize("path", ["app.log", "app.log*"])
async def test_a_rotation_by_renaming_loses_and_repeats_nothing(log, tail, maybe_restart, path):
    follower = tail(path)
    log.write(b"one\n")
    assert await follower.read() == [b"one"]
    log.write(b"two\n")
    log.rotate_by_renaming()
    log.write(b"three\n")
    await maybe_restart(follower)
    log.reopen()
    log.write(b"four\n")
    assert await follower.read() == [b"two", b"three", b"four"]
    await maybe_restart(follower)
    log.write(b"five\n")
    assert await follower.read() == [b"five"]


async def test_two_rotations_by_renaming_lose_nothing_where_the_glob_matches_them(
    log, tail, maybe_restart
):
    follower = tail("app.log*")
    log.write(b"one\n")
    assert await follower.read() == [b"one"]
    await maybe_restart(follower)
    log.write(b"two\n")
    log.rotate_by_renaming(log.path.with_name("app.log.2"))
    log.reopen()
    log.write(b"three\n")
    log.rotate_by_renaming()
    log.reopen()
    log.write(b"four\n")
    assert sorted(await follower.read()) == [b"four", b"three", b"two"]


async def test_a_renamed_file_may_still_be_written_to_for_a_while(log, tail):
    follower = tail(rotate_wait=5)
    log.write(b"one\n")
    assert await follower.read() == [b"one"]
    log.rotate_by_renaming()
    log.path.write_bytes(b"new\n")
    assert await follower.read() == [b"new"]
    await follower.clock.advance(4)
    log.write(b"late\nunfinished")
    assert await follower.read() == [b"late"]
    await follower.clock.advance(4)
    assert await follower.read() == [b"unfinished"]
    assert await follower.read() == []
    assert len(follower.position["files"]) == 1


@pytest.mark.parametrize("path", ["app.log", "app.log*"])
async def test_a_rotation_by_copying_loses_and_repeats_nothing(log, tail, maybe_restart, path):
    follower = tail(path)
    log.write(b"one one one\n")
    assert await follower.read() == [b"one one one"]
    log.write(b"two two two\n")
    await maybe_restart(follower)
    log.rotate_by_copying()
    log.write(b"three\n")
    assert await follower.read() == [b"two two two", b"three"]
    await maybe_restart(follower)
    log.write(b"four\n")
    assert await follower.read() == [b"four"]


async def test_a_copy_that_is_being_made_is_not_read_as_another_log(log, tail, tmp_path):
    follower = tail("app.log*")
    content = b"".join(b"line %d\n" % i for i in range(1000))
    log.write(content)
    assert len(await follower.read()) == 1000
    copy = tmp_path / "app.log.1"
    for end in (0, 10, 2000, len(content)):
        copy.write_bytes(content[:end])
        await follower.clock.advance(1)
        assert await follower.read() == []
    log.file.truncate(0)
    log.write(b"new\n")
    assert await follower.read() == [b"new"]


async def test_a_log_that_begins_like_another_is_read(tail, tmp_path):
    follower = tail("*.log*")
    (tmp_path / "a.log").write_text("started\n")
    assert await follower.read() == [b"started"]
    (tmp_path / "b.log").write_text("started\n")
    assert await follower.read() == [b"started"]


async def test_a_truncated_file_is_read_from_its_beginning(log, tail, maybe_restart):
    follower = tail()
    log.write(b"one\ntwo\n")
    assert await follower.read() == [b"one", b"two"]
    await maybe_restart(follower)
    log.file.truncate(0)
    log.write(b"new\n")
    assert await follower.read() == [b"new"]


async def test_a_truncated_file_is_recognised_when_it_has_grown_beyond_where_it_was(
    log, tail, maybe_restart
):
    follower = tail()
    log.write(b"one\ntwo\n")
    assert await follower.read() == [b"one", b"two"]
    await maybe_restart(follower)
    log.file.truncate(0)
    log.write(b"new 1\nnew 2\nnew 3\n")
    assert await follower.read() == [b"new 1", b"new 2", b"new 3"]


async def test_a_file_that_is_replaced_is_read_from_its_beginning(log, tail, maybe_restart):
    follower = tail()
    log.write(b"one\n")
    assert await follower.read() == [b"one"]
    await maybe_restart(follower)
    new = log.path.with_name(".new")
    new.write_bytes(b"new\n")
    new.replace(log.path)
    assert await follower.read() == [b"new"]


async def test_the_rest_of_a_deleted_file_is_read(log, tail):
    follower = tail()
    log.write(b"one\n")
    assert await follower.read() == [b"one"]
    log.path.unlink()
    log.write(b"two\n")
    assert await follower.read() == [b"two"]
    await follower.clock.advance(6)
    assert await follower.read() == []
    assert follower.position == {"files": {}}


async def test_a_file_deleted_while_nobody_followed_is_said_to_be_gone(log, tail):
    follower = tail()
    log.write(b"one\n")
    assert await follower.read() == [b"one"]
    await follower.restart()
    log.path.unlink()
    assert await follower.read() == []
    assert follower.position == {"files": {}}
    problems = [record for record in follower.harness.logs if "cannot follow" in record.msg]
    assert len(problems) == 1


async def test_a_line_that_is_too_long_is_passed_over_also_across_a_restart(
    log, tail, maybe_restart
):
    follower = tail(max_line=100)
    log.write(b"one\n" + b"x" * 500)
    assert await follower.read() == [b"one"]
    await maybe_restart(follower)
    log.write(b"x" * 500 + b"\ntwo\n")
    assert await follower.read() == [b"two"]


async def test_what_a_rotation_compresses_is_not_read(log, tail, tmp_path):
    follower = tail("app.log*")
    log.write(b"one\n")
    assert await follower.read() == [b"one"]
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(b"old\n"))
    assert await follower.read() == []


async def test_it_may_begin_at_the_end(log, tail, tmp_path, maybe_restart):
    follower = tail("*.log", start="end")
    log.write(b"old\nbegun be")
    assert await follower.read() == []
    await maybe_restart(follower)
    log.write(b"fore\nnew\n")
    (tmp_path / "b.log").write_text("later\n")
    assert await follower.read() == [b"begun before", b"new", b"later"]


async def test_a_busy_file_does_not_keep_the_others_waiting(tail, tmp_path):
    follower = tail("*.log", block=8)
    (tmp_path / "a.log").write_bytes(b"busy\n" * 100)
    (tmp_path / "b.log").write_bytes(b"quiet\n")
    assert (await follower.read()).index(b"quiet") < 5


async def test_reading_is_a_function_of_the_position(log, tail):
    follower = tail(block=8)
    log.write(b"one\ntwo\nthree\n")
    await follower.read()
    first = await follower.source.read(None)
    assert (await follower.source.read(first.position)).events == [b"three"]
    assert (await follower.source.read(None)).events == first.events == [b"one", b"two"]


async def test_a_file_that_cannot_be_read_is_said_once_and_spares_the_others(
    tail, tmp_path, monkeypatch
):
    class Guarded(io.FileIO):
        def __init__(self, path, *args):
            if str(path).endswith("secret.log"):
                raise PermissionError(13, "Permission denied")
            super().__init__(path, *args)

    monkeypatch.setattr("bspump.file.following.io.FileIO", Guarded)
    follower = tail("*.log")
    (tmp_path / "secret.log").write_text("one\n")
    (tmp_path / "z.log").write_text("two\n")
    assert await follower.read() == [b"two"]
    await follower.read()
    assert len([r for r in follower.harness.logs if "cannot follow" in r.msg]) == 1


async def test_an_empty_path_is_an_error():
    async with Harness() as harness:
        source = TailSource(harness.app, Pipeline(harness.app, "P"), config={"path": ""})
        with pytest.raises(ConfigError, match="`path` is empty"):
            await source.connect()


async def test_with_a_watch_lines_come_without_a_poll(log, tmp_path):
    async with Harness() as harness:
        config = {"path": str(log.path), "watch": "yes", "idle": "0"}
        pipeline = harness.chain(functools.partial(TailSource, config=config))
        await eventually(pipeline.is_ready)
        log.write(b"one\n")
        await eventually(lambda: harness.out() == [b"one"])
        log.write(b"two\n")
        await eventually(lambda: harness.out() == [b"one", b"two"])
