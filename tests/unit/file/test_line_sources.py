"""Lines, groups of lines, documents and rows of files."""

from __future__ import annotations

import csv

import pytest

from bspump.file import (
    FileCSVSource,
    FileJSONSource,
    FileLineSource,
    FileMultiLineSource,
)
from bspump.testing import eventually

from .conftest import ContextSink


@pytest.fixture
def read(tmp_path, harness, run_source):
    """Return a function that reads a file and returns the events."""

    async def read(cls, *args, content, name="a.txt", count=1, **config):
        path = tmp_path / name
        path.write_bytes(content)
        config = {"path": str(path), **config}
        run_source(cls, *args, config=config, pipeline={"on_error": "skip"})
        await eventually(path.with_name(f"{name}-processed").exists)
        return harness.out()

    return read


async def test_lines_keep_their_newlines(read):
    assert await read(FileLineSource, content=b"a\n\nb\r\nc") == [b"a\n", b"\n", b"b\r\n", b"c"]


async def test_lines_of_text_are_str(read):
    assert await read(FileLineSource, content="é\nß".encode(), mode="r") == ["é\n", "ß"]


async def test_text_has_the_encoding_that_is_said(read):
    found = await read(
        FileLineSource, content="é\n".encode("latin-1"), mode="r", encoding="latin-1"
    )
    assert found == ["é\n"]


async def test_many_lines_come_in_their_order(read):
    lines = [b"%d\n" % i for i in range(25_000)]
    assert await read(FileLineSource, content=b"".join(lines)) == lines


@pytest.mark.parametrize("mode", ["rb", "r"])
async def test_a_line_that_is_too_long_is_rejected_and_its_neighbours_are_not(read, harness, mode):
    content = b"one\n" + b"x" * 5000 + b"\ntwo\n"
    found = await read(FileLineSource, content=content, mode=mode, max_line=100)
    assert [event[:3] for event in found] == [b"one", b"two"] if mode == "rb" else ["one", "two"]
    (failure,) = harness.errors
    assert "at most 100" in str(failure.error)
    assert failure.event[:5] in (b"xxxxx", "xxxxx")


async def test_the_context_has_the_name_of_the_file(tmp_path, harness, run_source):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    run_source(FileLineSource, config={"path": f"{tmp_path}/*.txt"}, sink=ContextSink)
    await eventually(lambda: len(harness.out()) == 2)
    assert [context for context, _ in harness.out()] == [{"filename": f"{tmp_path}/a.txt"}] * 2


@pytest.mark.parametrize("separator", ["<", b"<"])
@pytest.mark.parametrize(("mode", "as_read"), [("rb", bytes), ("r", bytes.decode)])
async def test_groups_begin_with_the_separator_and_are_the_file(read, separator, mode, as_read):
    content = b"before\n<a\n1\n\n<b\n<c\n2"
    found = await read(FileMultiLineSource, separator, content=content, mode=mode)
    assert found == [as_read(e) for e in (b"before\n", b"<a\n1\n\n", b"<b\n", b"<c\n2")]


async def test_every_group_has_the_name_of_the_file(tmp_path, harness, run_source):
    (tmp_path / "a.txt").write_text("<a\n<b\n<c\n")
    config = {"path": f"{tmp_path}/*.txt"}
    run_source(FileMultiLineSource, "<", config=config, sink=ContextSink)
    await eventually(lambda: len(harness.out()) == 3)
    assert {context["filename"] for context, _ in harness.out()} == {f"{tmp_path}/a.txt"}


async def test_a_group_without_an_end_is_cut(read):
    found = await read(FileMultiLineSource, "<", content=b"<\n" + b"1234\n" * 100, max_line=50)
    assert b"".join(found) == b"<\n" + b"1234\n" * 100
    assert max(map(len, found)) <= 50


async def test_a_json_file_is_one_event(read):
    assert await read(FileJSONSource, content=b'{"a": [1, 2]}\n') == [{"a": [1, 2]}]


async def test_a_json_file_may_be_opened_as_text(read):
    assert await read(FileJSONSource, content=b'{"a": "\xc3\xa9"}', mode="r") == [{"a": "é"}]


async def test_a_json_file_that_is_none_is_set_aside(tmp_path, harness, run_source):
    (tmp_path / "a.json").write_text("{oops")
    pipeline = run_source(FileJSONSource, config={"path": f"{tmp_path}/*.json"})
    await eventually(pipeline.has_error)
    assert (tmp_path / "a.json-failed").exists()
    assert "expected a JSON document" in str(harness.errors[0].error)


async def test_rows_are_dicts_by_the_first_row(read):
    found = await read(FileCSVSource, content=b'a,b\r\n1,"x, y"\r\n\r\n2,"two\nlines"\r\n')
    assert found == [{"a": "1", "b": "x, y"}, {"a": "2", "b": "two\nlines"}]


async def test_rows_may_have_names_that_are_given(read):
    assert await read(FileCSVSource, ["a", "b"], content=b"1,2\n") == [{"a": "1", "b": "2"}]


async def test_short_and_long_rows_are_as_in_the_module_csv(read):
    content = b"a,b\n1\n1,2,3\n"
    assert await read(FileCSVSource, content=content) == list(
        csv.DictReader(content.decode().splitlines())
    )


async def test_options_of_csv_are_converted_from_text(read):
    found = await read(
        FileCSVSource,
        content=b"a\tb\n'x'\t 'y''z'\n1\t2\n",
        delimiter=r"\t",
        quotechar="'",
        quoting="0",
        doublequote="yes",
        skipinitialspace="true",
        strict="no",
        escapechar="",
    )
    assert found == [{"a": "x", "b": "y'z"}, {"a": "1", "b": "2"}]


async def test_a_dialect_says_what_the_options_leave_open(read):
    found = await read(FileCSVSource, content=b"a\tb\n1\t2\n", dialect="excel-tab")
    assert found == [{"a": "1", "b": "2"}]


async def test_a_broken_row_is_rejected_and_its_neighbours_are_not(read, harness):
    content = b'a,b\n1,2\n3,"x"y\n5,6\n'
    found = await read(FileCSVSource, content=content, strict="yes")
    assert found == [{"a": "1", "b": "2"}, {"a": "5", "b": "6"}]
    (failure,) = harness.errors
    assert failure.context["line_number"] == 3
    assert (failure.event, "a.txt:3" in str(failure.error)) == ('3,"x"y\n', True)


async def test_rows_of_a_compressed_file_come_too(read):
    import gzip

    found = await read(FileCSVSource, content=gzip.compress(b"a\n1\n"), name="a.csv.gz")
    assert found == [{"a": "1"}]


async def test_many_rows_come_in_their_order(read):
    content = b"n\n" + b"".join(b"%d\n" % i for i in range(5000))
    assert await read(FileCSVSource, content=content) == [{"n": str(i)} for i in range(5000)]
