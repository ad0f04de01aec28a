"""Blocks are whole lines, and a mark tells whether a file is still the one that was read."""

from __future__ import annotations

import os

import pytest

from bspump.clients.files.blocks import Block, pread_cached, read_ahead, read_block
from bspump.clients.files.marks import advance, continues, file_key, new_mark


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens a file with some content."""
    fds = []

    def open_with(content):
        path = tmp_path / f"{len(fds)}.log"
        path.write_bytes(content)
        fds.append(os.open(path, os.O_RDWR))
        return fds[-1]

    yield open_with
    for fd in fds:
        os.close(fd)


def read_all(fd, block_bytes, max_line_bytes=100, *, takes_rest=False, pread=os.pread):
    blocks, offset, is_skipping = [], 0, False
    while True:
        block = read_block(
            fd,
            offset,
            block_bytes,
            max_line_bytes,
            is_skipping=is_skipping,
            takes_rest=takes_rest,
            pread=pread,
        )
        if block.end == offset:
            return blocks
        blocks.append(block)
        offset, is_skipping = block.end, block.is_skipping


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 5, 8, 100])
def test_blocks_are_whole_lines_whatever_their_size(opened, block_bytes):
    content = b"one\n\nthree\nfour five six\nseven\n"
    blocks = read_all(opened(content), block_bytes)
    assert b"".join(block.data for block in blocks) == content
    assert all(block.data.endswith(b"\n") for block in blocks)


def test_an_unfinished_line_waits_unless_the_rest_is_wanted(opened):
    fd = opened(b"one\ntw")
    assert read_all(fd, 100) == [Block(b"one\n", 4)]
    assert read_all(fd, 100, takes_rest=True) == [Block(b"one\n", 4), Block(b"tw", 6, True)]


@pytest.mark.parametrize("block_bytes", [1, 4, 7, 10])
def test_a_line_that_is_too_long_is_passed_over_and_its_neighbours_are_not(opened, block_bytes):
    fd = opened(b"one\n" + b"x" * 95 + b"\ntwo\n")
    blocks = read_all(fd, block_bytes, max_line_bytes=10)
    assert b"".join(block.data for block in blocks) == b"one\ntwo\n"
    assert [block.long_line for block in blocks if block.long_line] == [b"x" * 10]


def test_a_line_of_just_the_limit_is_a_line(opened):
    blocks = read_all(opened(b"x" * 10 + b"\n" + b"y" * 11 + b"\n"), 4, max_line_bytes=10)
    assert b"".join(block.data for block in blocks) == b"x" * 10 + b"\n"
    assert [block.long_line for block in blocks if block.long_line] == [b"y" * 10]


def test_a_block_is_a_function_of_the_offset(opened):
    fd = opened(b"one\ntwo\nthree\n")
    assert read_block(fd, 4, 6, 100) == read_block(fd, 4, 6, 100) == Block(b"two\n", 8)


def test_what_is_in_memory_is_read_at_once_or_the_disk_is_to_be_asked(opened):
    fd = opened(b"one\ntwo\n")
    read_ahead(fd, 0, 100)
    try:
        assert pread_cached(fd, 5, 2) == b"e\ntwo"
        assert pread_cached(fd, 5, 8) == b""
    except BlockingIOError:
        assert os.pread(fd, 5, 2) == b"e\ntwo"


def test_what_cannot_be_read_without_waiting_is_said_to_block():
    with pytest.raises(BlockingIOError):
        pread_cached(-1, 5, 0)


@pytest.fixture
def marked(opened):
    """Return a mark of the first part of a file, the file, and how to open another."""
    fd = opened(b"a" * 2000 + b"b" * 2000)
    mark = advance(new_mark("a.log", os.fstat(fd)), fd, 3000)
    return mark, fd, opened


def test_a_file_continues_while_it_grows(marked):
    mark, fd, _ = marked
    os.pwrite(fd, b"more", 4000)
    assert continues(mark, fd)


def test_a_copy_continues_as_well(marked):
    mark, _, opened = marked
    assert continues(mark, opened(b"a" * 2000 + b"b" * 1000))


@pytest.mark.parametrize(
    "content",
    [b"", b"a" * 2000 + b"b" * 999, b"c" * 5000, b"a" * 5000, b"ca" + b"a" * 1998 + b"b" * 2000],
    ids=["empty", "shorter", "other", "other tail", "other head"],
)
def test_another_content_does_not_continue(marked, content):
    mark, _, opened = marked
    assert not continues(mark, opened(content))


def test_a_new_mark_is_continued_by_everything(opened):
    fd = opened(b"")
    assert continues(new_mark("a.log", os.fstat(fd)), fd)


def test_the_head_is_taken_once_it_is_whole(opened):
    fd = opened(b"x" * 5000)
    mark = advance(new_mark("a.log", os.fstat(fd)), fd, 10)
    assert mark["head_bytes"] == 10
    mark = advance(mark, fd, 4000)
    assert mark["head_bytes"] == 1024
    assert advance(mark, fd, 5000)["head"] == mark["head"]


def test_a_key_names_a_file_whatever_its_path(tmp_path):
    path = tmp_path / "a"
    path.touch()
    before = file_key(path.stat())
    path = path.rename(tmp_path / "b")
    assert file_key(path.stat()) == before
