"""Output files are complete or not there, and nothing that was written is lost."""

from __future__ import annotations

import asyncio
import errno
import functools
import gzip
import os

import pytest

from bspump import Pipeline
from bspump.abc.errors import ConfigError, NotConnectedError, PartialWriteError, TransientError
from bspump.abc.sink import Batch
from bspump.clients.files import output
from bspump.file import FileSink
from bspump.formats.compression import decompressor
from bspump.testing import Harness, eventually


def listed(directory):
    return sorted(path.name for path in directory.iterdir())


def contents(directory):
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def batch(*events):
    return Batch(list(events), [{} for _ in events])


def refuse_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
async def make(tmp_path):
    """Return a function that makes a connected sink, which nothing else drives."""
    made = []
    async with Harness() as harness:

        async def make(path="out.txt", *, connects=True, **config):
            config = {"path": str(tmp_path / path), **config}
            sink = FileSink(harness.app, Pipeline(harness.app, "Bare"), config=config)
            made.append(sink)
            if connects:
                await sink.connect()
            return sink

        make.harness = harness
        yield make
        for sink in made:
            await sink.close()


async def test_a_file_has_its_name_when_it_is_complete(tmp_path, make):
    sink = await make()
    await sink.write(batch(b"one", b"two"))
    assert contents(tmp_path) == {".out.txt.part": b"one\ntwo\n"}
    await sink.close()
    assert contents(tmp_path) == {"out.txt": b"one\ntwo\n"}


async def test_without_events_there_is_no_file(tmp_path, make):
    await (await make()).close()
    assert listed(tmp_path) == []


async def test_no_file_is_ever_overwritten(tmp_path, make):
    for event in (b"1", b"2", b"3"):
        sink = await make()
        await sink.write(batch(event))
        await sink.close()
    assert contents(tmp_path) == {"out.txt": b"1\n", "out-1.txt": b"2\n", "out-2.txt": b"3\n"}


async def test_files_have_as_many_events_as_they_may(tmp_path, make):
    sink = await make("{index}.txt", **{"rotate.max_events": "3"})
    await sink.write(batch(*(b"%d" % i for i in range(4))))
    await sink.write(batch(*(b"%d" % i for i in range(4, 9))))
    assert contents(tmp_path) == {
        "0.txt": b"0\n1\n2\n",
        "1.txt": b"3\n4\n5\n",
        "2.txt": b"6\n7\n8\n",
    }


async def test_files_are_not_larger_than_they_may_be(tmp_path, make):
    sink = await make("{index}.txt", **{"rotate.max_bytes": "10"})
    for event in (b"1234", b"5678", b"9", b"a line of more than ten", b"b"):
        await sink.write(batch(event))
    await sink.close()
    assert contents(tmp_path) == {
        "0.txt": b"1234\n5678\n",
        "1.txt": b"9\n",
        "2.txt": b"a line of more than ten\n",
        "3.txt": b"b\n",
    }


@pytest.mark.parametrize(
    ("config", "compression"),
    [
        ({"path": "a.gz"}, "gzip"),
        ({"path": "a.zst"}, "zstd"),
        ({"path": "a.xz"}, "xz"),
        ({"path": "a.bz2"}, "bz2"),
        ({"path": "a.txt", "compression": "gzip", "level": "1"}, "gzip"),
        ({"path": "a.gz", "compression": "none"}, "none"),
    ],
)
async def test_files_are_compressed_as_their_names_or_the_options_say(
    tmp_path, make, config, compression
):
    sink = await make(**config)
    await sink.write(batch(b"one"))
    await sink.write(batch(b"two"))
    await sink.close()
    expand = decompressor(compression)
    content = (tmp_path / config["path"]).read_bytes()
    assert b"".join(expand.feed(content)) == b"one\ntwo\n"
    expand.finish()


async def test_events_that_cannot_be_expressed_spare_their_neighbours(tmp_path, make):
    sink = await make(codec="json", **{"rotate.max_events": 2})
    with pytest.raises(PartialWriteError) as found:
        await sink.write(batch(1, object(), 3, 4, object(), 6))
    assert (found.value.rejected, found.value.transient) == ([1, 4], [])
    await sink.close()
    lines = b"".join(contents(tmp_path).values()).split()
    assert sorted(lines) == [b"1", b"3", b"4", b"6"]


async def test_a_full_disk_is_waited_for_and_leaves_nothing_twice(tmp_path, make, monkeypatch):
    sink = await make()
    await sink.write(batch(b"one"))
    monkeypatch.setattr(output.os, "pwritev", refuse_space)
    with pytest.raises(TransientError, match="free space"):
        await sink.write(batch(b"two"))
    monkeypatch.undo()
    await sink.write(batch(b"two"))
    await sink.close()
    assert contents(tmp_path) == {"out.txt": b"one\ntwo\n"}


async def test_what_a_full_disk_left_out_of_a_batch_is_named(tmp_path, make, monkeypatch):
    sink = await make("{index}.txt", **{"rotate.max_events": 2})
    real = os.pwritev
    calls = []

    def second_fails(*args):
        calls.append(args)
        return refuse_space() if len(calls) == 2 else real(*args)

    monkeypatch.setattr(output.os, "pwritev", second_fails)
    with pytest.raises(PartialWriteError) as found:
        await sink.write(batch(b"1", b"2", b"3", b"4", b"5"))
    assert (found.value.rejected, found.value.transient) == ([], [2, 3, 4])
    await sink.write(batch(b"3", b"4", b"5"))
    await sink.close()
    assert contents(tmp_path) == {"0.txt": b"1\n2\n", "1.txt": b"3\n4\n", "2.txt": b"5\n"}


async def test_a_write_that_is_cancelled_leaves_nothing(tmp_path, make):
    sink = await make()
    await sink.write(batch(b"one"))
    task = asyncio.create_task(sink.write(batch(b"lost")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await sink.write(batch(b"two"))
    await sink.close()
    assert contents(tmp_path) == {"out.txt": b"one\ntwo\n"}


async def test_a_name_that_cannot_be_given_is_given_later(tmp_path, make, monkeypatch):
    sink = await make("{index}.txt", **{"rotate.max_events": 1})
    monkeypatch.setattr("bspump.clients.files.durable.Path.replace", refuse_space)
    await sink.write(batch(b"one"))
    assert contents(tmp_path) == {".0.txt.part": b"one\n"}
    with pytest.raises(TransientError):
        await sink.write(batch(b"two"))
    monkeypatch.undo()
    await sink.write(batch(b"two"))
    assert contents(tmp_path) == {"0.txt": b"one\n", "1.txt": b"two\n"}


async def test_what_a_dead_writer_left_is_completed_without_its_torn_line(tmp_path, make):
    (tmp_path / ".out.txt.part").write_bytes(b"one\ntwo\nthr")
    (tmp_path / ".out-1.txt.part").write_bytes(b"torn")
    (tmp_path / ".other.txt.part").write_bytes(b"of somebody else\n")
    await make()
    assert contents(tmp_path) == {
        ".other.txt.part": b"of somebody else\n",
        "out.txt": b"one\ntwo\n",
    }
    assert [record.msg for record in make.harness.logs if record.levelname == "WARNING"] == [
        "a file that was left incomplete is completed"
    ]


@pytest.mark.parametrize("cut", [1, 20, 30, 41, 60])
async def test_what_a_dead_writer_left_compressed_is_completed(tmp_path, make, cut):
    members = [gzip.compress(line, mtime=0) for line in (b"one\n", b"two\n", b"three\n")]
    left = b"".join(members)[:-cut]
    (tmp_path / ".out.txt.gz.part").write_bytes(left)
    await make("out.txt.gz")
    whole = []
    rest = len(left)
    for line, member in zip((b"one\n", b"two\n", b"three\n"), members, strict=True):
        if rest >= len(member):
            whole.append(line)
        rest -= len(member)
    found = (
        gzip.decompress((tmp_path / "out.txt.gz").read_bytes())
        if (tmp_path / "out.txt.gz").exists()
        else b""
    )
    assert found[: len(b"".join(whole))] == b"".join(whole)
    assert found == b"".join((b"one\n", b"two\n", b"three\n"))[: len(found)]
    assert not found or found.endswith(b"\n")
    assert not [name for name in listed(tmp_path) if name.endswith((".part", ".mended"))]


async def test_a_living_writer_is_left_alone(tmp_path, make):
    first = await make()
    await first.write(batch(b"one"))
    second = await make()
    await second.write(batch(b"two"))
    assert listed(tmp_path) == [".out-1.txt.part", ".out.txt.part"]
    await first.close()
    await second.close()
    assert contents(tmp_path) == {"out-1.txt": b"two\n", "out.txt": b"one\n"}


async def test_append_goes_on_with_the_file(tmp_path, make):
    for event in (b"one", b"two"):
        sink = await make(append="yes")
        await sink.write(batch(event))
        await sink.close()
    assert contents(tmp_path) == {"out.txt": b"one\ntwo\n"}


async def test_append_ends_a_torn_line(tmp_path, make):
    (tmp_path / "out.txt").write_bytes(b"one\nto")
    await (await make(append="yes")).write(batch(b"two"))
    assert (tmp_path / "out.txt").read_bytes() == b"one\nto\ntwo\n"


async def test_a_file_is_appended_to_by_one_sink_at_a_time(tmp_path, make):
    first, second = await make(append="yes"), await make(append="yes")
    await first.write(batch(b"one"))
    with pytest.raises(TransientError, match="another sink is writing it"):
        await second.write(batch(b"two"))
    await first.close()
    await second.write(batch(b"two"))
    assert (tmp_path / "out.txt").read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize(
    "config",
    [
        {"append": "yes", "rotate.max_events": "1"},
        {"append": "yes", "compression": "gzip"},
        {"path": "{nothing}"},
        {"codec": "jsno"},
        {"compression": "zip"},
        {"compression": "gzip", "level": "17"},
    ],
)
async def test_what_can_never_work_is_said_when_it_connects(make, config):
    sink = await make(connects=False, **config)
    with pytest.raises(ConfigError):
        await sink.connect()


async def test_a_directory_that_cannot_be_made_is_said_when_it_connects(tmp_path, make):
    (tmp_path / "file").touch()
    sink = await make("file/out.txt", connects=False)
    with pytest.raises(ConfigError, match="what to do"):
        await sink.connect()


async def test_a_directory_that_cannot_be_written_is_said_when_it_connects(make, monkeypatch):
    monkeypatch.setattr("bspump.file.sink.os.access", lambda *_: False)
    sink = await make(connects=False)
    with pytest.raises(ConfigError, match="let the user of this process"):
        await sink.connect()


async def test_directories_are_made_as_they_are_needed(tmp_path, make):
    sink = await make("a/{time:%Y}/{index}.txt")
    await sink.write(batch(b"one"))
    await sink.close()
    assert [path.read_bytes() for path in tmp_path.glob("a/2*/0.txt")] == [b"one\n"]


async def test_a_sink_that_is_not_connected_asks_for_it(make):
    sink = await make(connects=False)
    with pytest.raises(NotConnectedError):
        await sink.write(batch(b"one"))


async def test_without_fsync_the_disk_is_not_waited_for(make, monkeypatch):
    sink = await make(fsync="no")
    monkeypatch.setattr(output.os, "fdatasync", refuse_space)
    await sink.write(batch(b"one"))


async def test_a_file_that_is_old_enough_is_complete_also_when_nothing_comes(tmp_path):
    async with Harness() as harness:
        config = {"path": str(tmp_path / "{index}.txt"), "rotate.max_age": "100ms"}
        sink = functools.partial(FileSink, config={**config, "batch.max_age": "10ms"})
        harness.chain(sink)
        harness.send([b"one"])
        await eventually(lambda: listed(tmp_path) == [".0.txt.part"])
        await eventually(lambda: listed(tmp_path) == ["0.txt"], within_s=8)
        harness.send([b"two"])
        await eventually(lambda: listed(tmp_path) == [".1.txt.part", "0.txt"])
    assert contents(tmp_path) == {"0.txt": b"one\n", "1.txt": b"two\n"}
