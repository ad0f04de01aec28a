"""logfmt lines to events and back."""

from __future__ import annotations

import msgspec
import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.formats.logfmt import LogfmtCodec


class Request(msgspec.Struct):
    path: str
    took_ms: int
    cached: bool = False


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"a=1 b=two", {"a": "1", "b": "two"}),
        (b"  a=1\t b=2 \r\n", {"a": "1", "b": "2"}),
        (b"cached", {"cached": True}),
        (b'a= b=""', {"a": "", "b": ""}),
        (b'msg="say \\"hi\\" \\\\ there"', {"msg": 'say "hi" \\ there'}),
        (rb'msg="a\nb\r\tc\u00e9"', {"msg": "a\nb\r\tcé"}),
        (rb'msg="\ud83d\ude00!"', {"msg": "😀!"}),
        (rb'msg="\ud83d"', {"msg": "\ufffd"}),
        (b"a=1 a=2", {"a": "2"}),
        (b'a=b"c d', {"a": 'b"c', "d": True}),
        (b"url=http://x/?a=b&c=d", {"url": "http://x/?a=b&c=d"}),
    ],
)
def test_pairs_become_fields(line, event):
    assert LogfmtCodec().decode(line) == event


@pytest.mark.parametrize("line", [b"", b"  ", b"=1", b'a="open', b'a="b"c', b'"a"=1', b"\xff"])
def test_a_line_that_is_no_logfmt_is_rejected(line):
    with pytest.raises(RejectedError):
        LogfmtCodec().decode(line)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"a": 1, "b": None, "c": True, "d": False}, b"a=1 c d=false"),
        ({"msg": "two words"}, b'msg="two words"'),
        ({"msg": 'a="b"\n'}, rb'msg="a=\"b\"\n"'),
        ({"bell": "\x07"}, rb'bell="\u0007"'),
        ({"inner": {"a": [1]}}, rb'inner="{\"a\":[1]}"'),
        ({"empty": ""}, b"empty="),
        (Request("/x", 3), b"path=/x took_ms=3 cached=false"),
    ],
)
def test_fields_become_pairs(event, line):
    assert LogfmtCodec().encode(event) == line


@pytest.mark.parametrize(
    "event", [{}, {"a": None}, {"a b": 1}, {"a=": 1}, {1: 1}, [1], "text", {"a": "\ud800"}]
)
def test_an_event_that_cannot_be_written_is_rejected(event):
    with pytest.raises(RejectedError):
        LogfmtCodec().encode(event)


def test_a_schema_converts_the_values():
    codec = LogfmtCodec(Request)
    assert codec.decode(b"path=/x took_ms=12 cached") == Request("/x", 12, cached=True)
    with pytest.raises(RejectedError, match=r"expected Request.*took_ms"):
        codec.decode(b"path=/x took_ms=long")
    with pytest.raises(ConfigError, match="codec 'logfmt'"):
        LogfmtCodec(int)


def test_an_error_names_the_position():
    with pytest.raises(RejectedError, match="key=value at position 4"):
        LogfmtCodec().decode(b'a=1 "b"')
