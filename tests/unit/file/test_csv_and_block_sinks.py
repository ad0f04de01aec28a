"""Rows of CSV files, and files of one event each."""

from __future__ import annotations

import csv
import errno
import os

import pytest

from bspump import Pipeline
from bspump.abc.errors import ConfigError, PartialWriteError
from bspump.abc.sink import Batch
from bspump.clients.files import output
from bspump.file import FileBlockSink, FileCSVSink
from bspump.testing import Harness


def batch(*events, contexts=None):
    return Batch(list(events), contexts or [{} for _ in events])


def refuse_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
async def make(tmp_path):
    """Return a function that makes a connected sink, which nothing else drives."""
    made = []
    async with Harness() as harness:

        async def make(cls, name="out", **config):
            config = {"path": str(tmp_path / name) if name else "", **config}
            sink = cls(harness.app, Pipeline(harness.app, "Bare"), config=config)
            made.append(sink)
            await sink.connect()
            return sink

        yield make
        for sink in made:
            await sink.close()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


# Rows


async def test_the_keys_of_the_first_event_are_the_columns(make, out):
    sink = await make(FileCSVSink)
    await sink.write(batch({"a": 1, "b": "x, y"}, {"b": 'say "hi"', "a": None}, {"a": 2}))
    assert out.read_text() == 'a,b\n1,"x, y"\n,"say ""hi"""\n2,\n'


async def test_rows_are_there_when_the_write_returns(make, out):
    sink = await make(FileCSVSink)
    await sink.write(batch({"a": 1}))
    assert out.read_text() == "a\n1\n"


async def test_a_file_that_exists_keeps_its_columns_and_is_continued(make, out):
    out.write_text("b,a\n1,2\n")
    sink = await make(FileCSVSink)
    await sink.write(batch({"a": 4, "b": 3}))
    assert out.read_text() == "b,a\n1,2\n3,4\n"


async def test_a_torn_row_is_ended(make, out):
    out.write_text("a,b\n1,2\n3,")
    sink = await make(FileCSVSink)
    await sink.write(batch({"a": 5, "b": 6}))
    assert out.read_text() == "a,b\n1,2\n3,\n5,6\n"


async def test_what_is_no_row_is_rejected_and_spares_its_neighbours(make, out):
    sink = await make(FileCSVSink)
    with pytest.raises(PartialWriteError) as found:
        await sink.write(batch({"a": 1}, "no dict", {"a": 2, "b": 3}, {"a": 4}))
    assert (found.value.rejected, found.value.transient) == ([1, 2], [])
    assert "expected a dict, got str" in str(found.value.errors[1])
    assert "'b'" in str(found.value.errors[2])
    assert out.read_text() == "a\n1\n4\n"


async def test_each_event_goes_where_its_context_says(make, tmp_path):
    sink = await make(FileCSVSink)
    paths = [str(tmp_path / f"{i % 20}.csv") for i in range(60)]
    events = [{"n": i} for i in range(60)]
    await sink.write(batch(*events, contexts=[{"path": path} for path in paths]))
    for i in range(20):
        assert (tmp_path / f"{i}.csv").read_text() == f"n\n{i}\n{i + 20}\n{i + 40}\n"


async def test_without_a_path_events_are_rejected(make):
    sink = await make(FileCSVSink, name="")
    with pytest.raises(PartialWriteError, match="expected a `path`"):
        await sink.write(batch({"a": 1}))


async def test_after_a_rotation_a_file_is_opened_again_under_the_path_of_then(make, out):
    sink = await make(FileCSVSink)
    await sink.write(batch({"a": 1}))
    sink.rotate()
    out.rename(out.with_name("old"))
    await sink.write(batch({"b": 2}))
    assert out.with_name("old").read_text() == "a\n1\n"
    assert out.read_text() == "b\n2\n"


async def test_a_row_that_a_full_disk_refused_is_written_once(make, out, monkeypatch):
    sink = await make(FileCSVSink)
    monkeypatch.setattr(output.os, "pwritev", refuse_space)
    with pytest.raises(PartialWriteError) as found:
        await sink.write(batch({"a": 1}))
    assert found.value.transient == [0]
    monkeypatch.undo()
    await sink.write(batch({"a": 1}))
    assert out.read_text() == "a\n1\n"


async def test_options_of_csv_are_converted_from_text(make, out):
    sink = await make(
        FileCSVSink,
        delimiter=r"\t",
        quoting="QUOTE_ALL",
        quotechar="'",
        lineterminator=r"\r\n",
        doublequote="False",
        escapechar="\\",
    )
    await sink.write(batch({"a": "it's", "b": 2}))
    assert out.read_bytes() == b"'a'\t'b'\r\n'it\\'s'\t'2'\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
async def test_the_text_has_the_encoding_that_is_said(make, out, encoding):
    sink = await make(FileCSVSink, encoding=encoding)
    await sink.write(batch({"ä": "é"}))
    await sink.write(batch({"ä": "ß"}))
    with out.open(encoding=encoding, newline="") as file:
        assert list(csv.DictReader(file)) == [{"ä": "é"}, {"ä": "ß"}]


async def test_a_character_that_cannot_be_encoded_is_rejected(make, out):
    sink = await make(FileCSVSink, encoding="ascii")
    with pytest.raises(PartialWriteError) as found:
        await sink.write(batch({"a": "x"}, {"a": "é"}))
    assert found.value.rejected == [1]
    assert out.read_text() == "a\nx\n"


async def test_an_encoding_that_is_none_is_said_when_it_connects(make):
    with pytest.raises(ConfigError, match="utf-99"):
        await make(FileCSVSink, encoding="utf-99")


# Files of one event


class Named(FileBlockSink):
    """Takes the name from the context."""

    def get_file_name(self, context, event):
        return context["name"]


async def test_each_event_is_a_file_that_replaces_an_older_one(make, out, tmp_path):
    out.write_text("a longer one")
    sink = await make(FileBlockSink)
    await sink.write(batch(b"one"))
    assert out.read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


async def test_a_subclass_chooses_the_names(make, tmp_path):
    sink = await make(Named)
    names = [str(tmp_path / "deep/er" / name) for name in "ab"]
    await sink.write(batch(b"1", b"2", contexts=[{"name": name} for name in names]))
    assert (tmp_path / "deep/er/a").read_bytes() == b"1"
    assert (tmp_path / "deep/er/b").read_bytes() == b"2"


async def test_with_o_excl_no_file_is_replaced(make, out):
    out.write_text("old")
    sink = await make(FileBlockSink, flags="O_CREAT|O_EXCL")
    with pytest.raises(PartialWriteError) as found:
        await sink.write(batch(b"new"))
    assert found.value.rejected == [0]
    assert out.read_text() == "old"


async def test_with_o_excl_the_same_once_more_is_fine(make, out):
    sink = await make(FileBlockSink, flags="O_CREAT, O_EXCL")
    await sink.write(batch(b"one"))
    await sink.write(batch(b"one"))
    assert out.read_bytes() == b"one"


async def test_text_is_written_with_its_encoding(make, out):
    sink = await make(FileBlockSink, mode="w", encoding="latin-1")
    await sink.write(batch("é"))
    assert out.read_bytes() == b"\xe9"


@pytest.mark.parametrize(
    ("config", "event"), [({}, "text"), ({"mode": "w"}, b"bytes"), ({"name": ""}, b"nowhere")]
)
async def test_what_cannot_be_written_is_rejected(make, config, event):
    sink = await make(FileBlockSink, **config)
    with pytest.raises(PartialWriteError) as found:
        await sink.write(batch(event))
    assert found.value.rejected == [0]


async def test_a_file_that_a_full_disk_refused_is_to_be_written_again(make, out, monkeypatch):
    out.write_text("old")
    sink = await make(FileBlockSink)
    monkeypatch.setattr(output.os, "pwrite", refuse_space)
    with pytest.raises(PartialWriteError) as found:
        await sink.write(batch(b"new"))
    assert found.value.transient == [0]
    assert out.read_text() == "old"


async def test_flags_that_mean_nothing_are_said_when_it_connects(make):
    with pytest.raises(ConfigError, match="O_SYNC"):
        await make(FileBlockSink, flags="O_CREAT|O_SYNC")
