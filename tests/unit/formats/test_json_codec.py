"""JSON to events and back."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
from types import MappingProxyType

import msgspec
import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.formats.json_codec import JsonCodec


class Login(msgspec.Struct):
    user: str
    count: int = 1


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


class Metres(float):
    __slots__ = ()


@pytest.mark.parametrize(
    "event",
    [
        {"user": "ann", "ok": True, "nothing": None, "list": [1, 2.5, "ž"], "inner": {}},
        [],
        "text",
        False,
        0,
        2**70,
        -(2**70),
        {"line": "a\nb", "separator": "\u2028"},
    ],
)
def test_an_event_comes_back_as_it_was(event):
    codec = JsonCodec()
    assert codec.decode(codec.encode(event)) == event
    assert codec.decode_lines(codec.encode_lines([event, event])) == [event, event]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, b"null"),
        (math.inf, b"null"),
        (b"x", b'"eA=="'),
        ({1: 2}, b'{"1":2}'),
        ({1}, b"[1]"),
        ((1, 2), b"[1,2]"),
        (Colour.RED, b"1"),
        (Name("ann"), b'"ann"'),
        (Metres(1.5), b"1.5"),
        (decimal.Decimal("1.10"), b'"1.10"'),
        (MappingProxyType({"a": 1}), b'{"a":1}'),
        (Login("ann"), b'{"user":"ann","count":1}'),
        (datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), b'"2020-01-02T03:04:05Z"'),
        (datetime.timedelta(days=1), b'"P1D"'),
    ],
)
def test_what_json_lacks_is_written_all_the_same(value, written):
    codec = JsonCodec()
    assert codec.encode(value) == written
    assert codec.encode_lines([value, value]) == (written + b"\n") * 2


@pytest.mark.parametrize("event", [object(), {"a": object()}, "\ud800", {None: 1}, {(1, 2): 3}])
def test_what_cannot_be_written_is_rejected(event):
    codec = JsonCodec()
    with pytest.raises(RejectedError, match="json: expected values that JSON can hold"):
        codec.encode(event)
    with pytest.raises(RejectedError):
        codec.encode_lines([{"good": 1}, event])


def test_an_event_that_contains_itself_is_rejected():
    event = []
    event.append(event)
    with pytest.raises(RejectedError):
        JsonCodec().encode(event)


@pytest.mark.parametrize(
    "message", [b"", b"{oops", b'{"a":1} 2', b'"\xff"', b"nul", b"NaN", b"[" * 100_000]
)
def test_a_broken_document_is_rejected(message):
    with pytest.raises(RejectedError, match="json: expected a JSON document, got b"):
        JsonCodec().decode(message)


def test_null_is_no_event():
    codec = JsonCodec()
    with pytest.raises(RejectedError):
        codec.decode(b"null")
    with pytest.raises(RejectedError):
        codec.decode_lines(b"1\nnull\n")
    assert codec.decode(b"[null]") == [None]


def test_the_error_of_a_large_document_is_small():
    with pytest.raises(RejectedError) as caught:
        JsonCodec().decode(b'{"a": "' + b"x" * 1_000_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n", b"\r\n", b"\n \t\n"])
def test_blank_lines_are_passed_over(end):
    codec = JsonCodec()
    assert codec.decode_lines(b'{"a":1}\n\n \r\n{"a":2}' + end) == [{"a": 1}, {"a": 2}]
    assert codec.decode_lines(end) == []


@pytest.mark.parametrize(
    "block",
    [
        b'{"a":\n1} {"b":2}\n',
        b'{"broken":\n{"victim":1}\n} 1 2\n',
        b"1 2\n",
        b"[1,\n2]\n",
        b'"a\nb"\n',
    ],
)
def test_a_line_is_always_one_document(block):
    with pytest.raises(RejectedError):
        JsonCodec().decode_lines(block)


def test_a_schema_makes_typed_events():
    codec = JsonCodec(Login)
    assert codec.decode(b'{"user":"ann"}') == Login("ann", 1)
    assert codec.decode_lines(b'{"user":"ann"}\n{"user":"bob","count":2}\n') == [
        Login("ann"),
        Login("bob", 2),
    ]
    assert codec.encode_lines([Login("ann")]) == b'{"user":"ann","count":1}\n'
    with pytest.raises(RejectedError, match=r"expected a JSON Login.*count"):
        codec.decode(b'{"user":"ann","count":"2"}')


def test_a_lax_schema_takes_numbers_written_as_text():
    assert JsonCodec(Login, strict=False).decode(b'{"user":"ann","count":"2"}') == Login("ann", 2)


def test_a_schema_that_is_no_type_is_refused():
    with pytest.raises(ConfigError, match="codec 'json': the schema 'Login' is no use"):
        JsonCodec("Login")
