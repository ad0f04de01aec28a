"""Framings that look for a delimiter: lines and other delimiters."""

from __future__ import annotations

import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.formats.framing import DelimiterFraming, LineFraming


@pytest.mark.parametrize(
    ("fed", "expected"),
    [
        ([b"one\ntwo\n"], [b"one", b"two"]),
        ([b"one\r\ntwo\r\n"], [b"one", b"two"]),
        ([b"on", b"e", b"\n", b"two", b"\n"], [b"one", b"two"]),
        ([b"one\r", b"\ntwo\n"], [b"one", b"two"]),
        ([b"one\r", b"two\n"], [b"one\rtwo"]),
        ([b"one\r\r", b"\n"], [b"one\r"]),
        ([b"\n\n"], [b"", b""]),
        ([b"", b"one\n", b""], [b"one"]),
    ],
)
def test_lines_end_at_newlines_wherever_the_stream_is_cut(fed, expected):
    framing = LineFraming()
    assert [line for data in fed for line in framing.feed(data)] == expected
    assert framing.close() == []


def test_the_last_line_needs_no_newline():
    framing = LineFraming()
    assert framing.feed(b"one\ntwo\r") == [b"one"]
    assert framing.close() == [b"two"]


def test_a_carriage_return_stays_where_it_is_asked_for():
    framing = LineFraming(strip_cr=False)
    assert framing.feed(b"one\r\ntwo\r") == [b"one\r"]
    assert framing.close() == [b"two\r"]


def test_a_line_that_is_too_long_spares_its_neighbours():
    framing = LineFraming(max_bytes=3)
    lines = framing.feed(b"abc\r\nabcd\nef") + framing.feed(b"ghi") + framing.feed(b"\nxyz")
    assert lines + framing.close() == [b"abc", b"xyz"]
    assert framing.rejected_total == 2
    errors = framing.take_rejected()
    assert [isinstance(error, RejectedError) for error in errors] == [True, True]
    assert str(errors[0]) == (
        "LineFraming: expected at most 3 bytes, got b'abc' (skipped up to the next message)"
    )
    assert framing.take_rejected() == []
    assert framing.rejected_total == 2


def test_a_line_without_an_end_is_not_kept():
    framing = LineFraming(max_bytes=10)
    for _ in range(1000):
        assert framing.feed(b"x" * 100) == []
        assert len(framing._pending) <= 110
    assert framing.rejected_total == 1
    assert framing.feed(b"\nnext\n") == [b"next"]


def test_only_the_last_hundred_errors_are_kept():
    framing = LineFraming(max_bytes=1)
    framing.feed(b"long\n" * 250)
    assert framing.rejected_total == 250
    assert len(framing.take_rejected()) == 100


def test_a_closed_framing_follows_the_next_stream():
    framing = LineFraming(max_bytes=5)
    framing.feed(b"too long for it")
    assert framing.close() == []
    assert framing.feed(b"one\n") == [b"one"]


def test_a_long_delimiter_is_found_across_two_pieces():
    framing = DelimiterFraming(b"<end>")
    assert framing.feed(b"one<en") == []
    assert framing.feed(b"d>two<e") == [b"one"]
    assert framing.feed(b"<end>") == [b"two<e"]
    assert framing.close() == []


def test_the_beginning_of_a_delimiter_at_the_end_belongs_to_the_message():
    framing = DelimiterFraming(b"<end>")
    assert framing.feed(b"one<en") == []
    assert framing.close() == [b"one<en"]


def test_a_framed_message_reads_back():
    framing = DelimiterFraming(b"||")
    assert framing.frame(b"a|b") == b"a|b||"
    assert framing.feed(framing.frame(b"a|b")) == [b"a|b"]


@pytest.mark.parametrize("message", [b"a||b", b"a|", b"x" * 11])
def test_what_would_not_read_back_is_not_framed(message):
    with pytest.raises(RejectedError):
        DelimiterFraming(b"||", max_bytes=10).frame(message)


def test_an_empty_delimiter_and_a_limit_of_nothing_are_refused():
    with pytest.raises(ConfigError, match="must not be empty"):
        DelimiterFraming(b"")
    with pytest.raises(ConfigError, match="max_bytes must be 1 or more, got 0"):
        LineFraming(max_bytes=0)
