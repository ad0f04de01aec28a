"""Framings in which the length stands before the message."""

from __future__ import annotations

import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.formats.framing_counted import (
    LengthPrefixFraming,
    NetstringFraming,
    OctetCountingFraming,
)


@pytest.mark.parametrize(
    ("size", "order", "framed"),
    [
        (1, "big", b"\x05hello"),
        (2, "big", b"\x00\x05hello"),
        (2, "little", b"\x05\x00hello"),
        (4, "big", b"\x00\x00\x00\x05hello"),
        (8, "little", b"\x05\x00\x00\x00\x00\x00\x00\x00hello"),
    ],
)
def test_the_length_is_a_binary_number_in_the_order_asked_for(size, order, framed):
    framing = LengthPrefixFraming(size=size, order=order)
    assert framing.frame(b"hello") == framed
    assert framing.feed(framed * 2) == [b"hello", b"hello"]


def test_an_empty_message_is_a_message():
    assert LengthPrefixFraming(size=2).feed(b"\0\0\0\1x\0\0") == [b"", b"x", b""]


def test_a_message_that_is_too_long_is_skipped_by_its_length():
    framing = LengthPrefixFraming(size=2, max_bytes=4)
    stream = b"\0\5hello\0\2ok"
    assert framing.feed(stream) == [b"ok"]
    assert [line for byte in stream for line in framing.feed(bytes([byte]))] == [b"ok"]
    assert framing.rejected_total == 2


def test_a_message_that_is_skipped_is_not_kept():
    framing = LengthPrefixFraming(max_bytes=10)
    framing.feed((1 << 30).to_bytes(4))
    for _ in range(100):
        framing.feed(b"x" * 1000)
        assert len(framing._buffer) == 0


def test_a_message_cut_off_by_the_end_is_rejected():
    framing = LengthPrefixFraming(size=2)
    assert framing.feed(b"\0\5hel") == []
    assert framing.close() == []
    assert framing.rejected_total == 1
    assert framing.feed(b"\0\1x") == [b"x"]


def test_the_limit_is_never_more_than_the_length_can_say():
    framing = LengthPrefixFraming(size=1)
    assert framing.frame(b"x" * 255)[0] == 255
    with pytest.raises(RejectedError, match="at most 255 bytes"):
        framing.frame(b"x" * 256)


def test_a_size_or_an_order_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="size must be 1, 2, 4 or 8, got 3"):
        LengthPrefixFraming(size=3)
    with pytest.raises(ConfigError, match="order must be big or little, got 'middle'"):
        LengthPrefixFraming(order="middle")


def test_netstrings_are_read_and_written():
    framing = NetstringFraming()
    assert framing.frame(b"hello world!") == b"12:hello world!,"
    assert framing.feed(b"12:hello wor") == []
    assert framing.feed(b"ld!,0:,1") == [b"hello world!", b""]
    assert framing.feed(b":,,") == [b","]


@pytest.mark.parametrize("wrong", [b"x", b"01:a,", b"5hello", b"3:abcd", b"1" * 19, b":"])
def test_a_wrong_netstring_breaks_the_stream_but_not_what_came_before(wrong):
    framing = NetstringFraming()
    assert framing.feed(b"2:ok," + wrong) == [b"ok"]
    assert framing.is_broken
    assert framing.rejected_total == 1
    assert framing.feed(b"2:ok,") == []
    framing.close()
    assert not framing.is_broken
    assert framing.feed(b"2:ok,") == [b"ok"]


def test_a_netstring_that_is_too_long_is_skipped():
    framing = NetstringFraming(max_bytes=3)
    assert framing.feed(b"5:hello,2:ok,") == [b"ok"]
    assert framing.rejected_total == 1


# RFC 6587, sections 3.4.1 and 3.4.2: octet counting, and the lines that came before it.
def test_octet_counting_takes_newlines_inside_of_messages():
    framing = OctetCountingFraming()
    assert framing.frame(b"<13>1 - - - - -\n") == b"16 <13>1 - - - - -\n"
    assert framing.feed(b"7 <13>a\nb8 <13>a\n\ncc") == [b"<13>a\nb", b"<13>a\n\nc"]


def test_lines_and_counted_messages_may_follow_each_other():
    framing = OctetCountingFraming()
    stream = b"<13>one\r\n7 <13>two\n<13>three\n\0\n5 <13>x<13>four"
    assert framing.feed(stream) + framing.close() == [
        b"<13>one",
        b"<13>two",
        b"<13>three",
        b"<13>x",
        b"<13>four",
    ]
    assert framing.rejected_total == 0


def test_a_counted_message_and_a_line_that_are_too_long_are_skipped():
    framing = OctetCountingFraming(max_bytes=7)
    stream = b"8 <13>1234<13>too long\n<13>end\n"
    whole = framing.feed(stream)
    single = [message for byte in stream for message in framing.feed(bytes([byte]))]
    assert whole == single == [b"<13>end"]
    assert framing.rejected_total == 4


def test_a_counted_message_cut_off_by_the_end_is_rejected():
    framing = OctetCountingFraming()
    assert framing.feed(b"20 <13>cut") == []
    assert framing.close() == []
    assert "the stream ended" in str(framing.take_rejected()[0])


def test_an_empty_message_cannot_be_counted():
    with pytest.raises(RejectedError, match="not empty"):
        OctetCountingFraming().frame(b"")
