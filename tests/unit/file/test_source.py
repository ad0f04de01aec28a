"""A file source reads files once, by position."""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma

import msgspec
import pytest
import zstandard

from bspump import Pipeline
from bspump.abc.errors import ConfigError, TransientError, UnknownNameError
from bspump.file import FileSource
from bspump.testing import eventually

from .conftest import ContextSink

COMPRESS = {
    "txt": lambda data: data,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}


@pytest.fixture
async def make(harness):
    """Return a function that makes a connected source, which nothing else drives."""
    made = []

    async def make(path, *, pipeline=None, **config):
        options = {key: config.pop(key) for key in ("codec_object", "schema") if key in config}
        source = FileSource(
            harness.app,
            pipeline or Pipeline(harness.app, "Bare"),
            config={"path": str(path), **config},
            codec=options.get("codec_object"),
            schema=options.get("schema"),
        )
        await source.connect()
        made.append(source)
        return source

    yield make
    for source in made:
        await source.close()


async def read_all(source, position=None):
    """Return the chunks up to the last."""
    chunks = []
    while not chunks or not chunks[-1].is_last:
        chunks.append(await source.read(position))
        position = chunks[-1].position
        assert len(chunks) < 10_000
    return chunks


def events_of(chunks):
    return [event for chunk in chunks for event in chunk.events]


async def test_lines_are_bytes_without_newlines_and_empty_ones_are_passed_over(tmp_path, make):
    (tmp_path / "a").write_bytes(b"one\n\n\ntwo\nthree")
    chunks = await read_all(await make(tmp_path / "a"))
    assert events_of(chunks) == [b"one", b"two", b"three"]
    assert {chunk.contexts for chunk in chunks} == {None}


@pytest.mark.parametrize("extension", COMPRESS)
async def test_files_of_any_compression_are_read_on_from_any_position(tmp_path, make, extension):
    lines = [b"%d" % (i * i) for i in range(3000)]
    path = tmp_path / f"a.{extension}"
    path.write_bytes(COMPRESS[extension](b"\n".join(lines)))
    chunks = await read_all(await make(path, block="1KiB"))
    assert events_of(chunks) == lines
    done = 0
    for chunk in chunks[:: len(chunks) // 5]:
        done = lines.index(chunk.events[-1]) + 1
        other = await make(path, block="1KiB")
        stored = msgspec.json.decode(msgspec.json.encode(chunk.position))
        assert events_of(await read_all(other, stored)) == lines[done:]


async def test_files_come_in_the_order_of_their_paths(tmp_path, make):
    for name in ("c", "a", "b"):
        (tmp_path / name).write_text(f"{name}1\n{name}2\n")
    (tmp_path / "empty").touch()
    source = await make(f"{tmp_path}/*", exclude="b")
    assert events_of(await read_all(source)) == [b"a1", b"a2", b"c1", b"c2"]


async def test_the_last_chunk_says_so(tmp_path, make):
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"{name}\n")
    chunks = await read_all(await make(f"{tmp_path}/*"))
    assert [(chunk.events, chunk.is_last) for chunk in chunks] == [([b"a"], False), ([b"b"], True)]


async def test_a_file_of_empty_lines_ends(tmp_path, make):
    (tmp_path / "a").write_bytes(b"\n" * 100_000)
    (chunk,) = await read_all(await make(tmp_path / "a"))
    assert (chunk.events, chunk.is_last) == ([], True)


async def test_files_that_came_later_are_not_read(tmp_path, make):
    (tmp_path / "a").write_text("a\n")
    source = await make(f"{tmp_path}/*")
    (tmp_path / "b").write_text("b\n")
    assert events_of(await read_all(source)) == [b"a"]


async def test_lines_are_decoded_and_broken_ones_are_rejected(tmp_path, harness):
    (tmp_path / "a").write_bytes(b'{"a":1}\n{oops\n{"a":3}\n')
    config = {"path": str(tmp_path / "a"), "codec": "json"}
    pipeline = harness.chain(functools.partial(FileSource, config=config))
    await eventually(pipeline.is_finished)
    assert harness.out() == [{"a": 1}, {"a": 3}]
    (failure,) = harness.errors
    assert (failure.event, failure.context) == (b"{oops", {"filename": str(tmp_path / "a")})


async def test_lines_may_have_a_schema(tmp_path, make):
    class Row(msgspec.Struct):
        a: int

    (tmp_path / "a").write_bytes(b'{"a":1}\n')
    source = await make(tmp_path / "a", codec="json", schema=Row)
    assert events_of(await read_all(source)) == [Row(1)]


async def test_an_unknown_codec_is_said_when_it_connects(tmp_path, make):
    with pytest.raises(UnknownNameError, match="did you mean 'json'"):
        await make(tmp_path / "a", codec="jsno")


async def test_a_line_that_is_too_long_is_rejected_and_its_neighbours_are_not(tmp_path, harness):
    (tmp_path / "a").write_bytes(b"one\n" + b"x" * 10_000 + b"\ntwo\n")
    config = {"path": str(tmp_path / "a"), "max_line": "2KiB"}
    pipeline = harness.chain(functools.partial(FileSource, config=config))
    await eventually(pipeline.is_finished)
    assert harness.out() == [b"one", b"two"]
    (failure,) = harness.errors
    assert "at most 2048 bytes" in str(failure.error)
    assert failure.event == b"x" * 1000


@pytest.mark.parametrize("extension", ["gz", "bz2", "xz", "zst"])
async def test_what_cannot_be_decompressed_is_rejected_and_the_next_file_is_read(
    tmp_path, harness, extension
):
    lines = b"".join(b"%d\n" % (i * i) for i in range(100_000))
    whole = COMPRESS[extension](lines)
    (tmp_path / f"a.{extension}").write_bytes(whole[: len(whole) * 9 // 10])
    (tmp_path / "b").write_text("next\n")
    config = {"path": f"{tmp_path}/*"}
    pipeline = harness.chain(functools.partial(FileSource, config=config))
    await eventually(pipeline.is_finished)
    found = harness.out()
    assert found[:-1] == lines.split(b"\n")[: len(found) - 1]
    assert found[-1] == b"next"
    assert len(found) > 100 or extension == "bz2"
    (failure,) = harness.errors
    assert failure.context["filename"] == str(tmp_path / f"a.{extension}")


async def test_contexts_have_the_name_of_the_file_if_it_is_wanted(tmp_path, harness):
    (tmp_path / "a").write_text("one\n")
    config = {"path": str(tmp_path / "a"), "filename": "yes"}
    pipeline = harness.chain(
        functools.partial(FileSource, config=config), functools.partial(ContextSink, id="Out")
    )
    await eventually(pipeline.is_finished)
    assert harness.out() == [({"filename": str(tmp_path / "a")}, b"one")]


async def test_a_file_that_was_replaced_is_read_from_its_beginning(tmp_path, make, harness):
    path = tmp_path / "a"
    path.write_text("old 1\nold 2\n")
    chunk = await (await make(path, block="6")).read(None)
    assert chunk.events == [b"old 1"]
    path.write_text("new 1\nnew 2\n")
    assert events_of(await read_all(await make(path), chunk.position)) == [b"new 1", b"new 2"]
    assert "another one by now" in harness.logs[-1].getMessage()


async def test_a_file_that_is_gone_in_the_middle_is_waited_for(tmp_path, make):
    path = tmp_path / "a"
    path.write_text("one\ntwo\n")
    chunk = await (await make(path, block="4")).read(None)
    path.rename(tmp_path / "b")
    source = await make(path)
    with pytest.raises(TransientError, match="put it back"):
        await source.read(chunk.position)
    (tmp_path / "b").rename(path)
    assert events_of(await read_all(source, chunk.position)) == [b"two"]


async def test_a_file_that_is_done_may_be_gone(tmp_path, make):
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"{name}\n")
    chunk = await (await make(f"{tmp_path}/*")).read(None)
    (tmp_path / "a").unlink()
    assert events_of(await read_all(await make(f"{tmp_path}/*"), chunk.position)) == [b"b"]


async def test_nothing_to_read_is_said_and_ends(tmp_path, harness):
    config = {"path": f"{tmp_path}/*"}
    pipeline = harness.chain(functools.partial(FileSource, config=config))
    await eventually(pipeline.is_finished)
    assert harness.logs[0].msg == "no files"


async def test_an_empty_path_is_an_error(make):
    with pytest.raises(ConfigError, match="`path` is empty"):
        await make("")


async def test_progress_is_in_bytes_of_the_disk(tmp_path, make):
    (tmp_path / "a").write_text("one\ntwo\n")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"three\n"))
    total = 8 + (tmp_path / "b.gz").stat().st_size
    source = await make(f"{tmp_path}/*", block=4)
    assert source.progress() == (0, total, "bytes")
    chunk = await source.read(None)
    assert source.progress() == (4, total, "bytes")
    await read_all(source, chunk.position)
    assert source.progress() == (total, total, "bytes")


async def test_numbers_given_as_text_work(tmp_path, make):
    (tmp_path / "a").write_text("one\n")
    source = await make(tmp_path / "a", block="4096", max_line="1MiB", filename="no", idle="1ms")
    assert (source.Options.block, source.Options.max_line) == (4096, 1 << 20)
    assert events_of(await read_all(source)) == [b"one"]
