"""CSV rows to events and back."""

from __future__ import annotations

from typing import TypedDict

import msgspec
import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.formats.csv_codec import CsvCodec


class Reading(msgspec.Struct):
    sensor: str
    value: float
    count: int | None = None
    note: str | None = None


class Pair(TypedDict):
    a: int
    b: str


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        (b"a,b", ["a", "b"]),
        (b"a,b\r\n", ["a", "b"]),
        (b'"a,b",c', ["a,b", "c"]),
        (b'"say ""hi""",', ['say "hi"', ""]),
        (b'"two\nlines",x', ["two\nlines", "x"]),
        (b" a , b", [" a ", " b"]),
        (b'""', [""]),
    ],
)
def test_a_row_becomes_a_list_of_its_cells(row, cells):
    assert CsvCodec().decode(row) == cells


@pytest.mark.parametrize("row", [b"", b"a\nb", b'"a', b'"a"b,c', b"\xff", b"a\rb"])
def test_what_is_not_one_row_is_rejected(row):
    with pytest.raises(RejectedError):
        CsvCodec().decode(row)


def test_a_row_must_have_the_named_columns():
    codec = CsvCodec(fieldnames=["id", "name"])
    assert codec.decode(b"7,ann") == {"id": "7", "name": "ann"}
    for row in (b"7", b"7,ann,x"):
        with pytest.raises(RejectedError, match="csv: expected 2 cells"):
            codec.decode(row)
        with pytest.raises(RejectedError, match="csv: expected 2 cells"):
            codec.decode_lines(b"7,ann\n" + row)


@pytest.mark.parametrize(
    ("event", "row"),
    [
        ({"id": 7, "name": "Smith, Ann"}, b'7,"Smith, Ann"'),
        ({"name": 'say "hi"', "id": None}, b',"say ""hi"""'),
        ({"id": True, "other": 1}, b"true,"),
        ({"id": 1.5, "name": {"a": [1]}}, b'1.5,"{""a"":[1]}"'),
        (["x", "two\nlines"], b'x,"two\nlines"'),
        (("x", "y"), b"x,y"),
    ],
)
def test_an_event_becomes_a_row(event, row):
    codec = CsvCodec(fieldnames=["id", "name"])
    assert codec.encode(event) == row
    assert codec.encode_lines([event, event]) == (row + b"\n") * 2


@pytest.mark.parametrize("event", [{}, "text", [], 7, ["one"], [object(), 1]])
def test_an_event_that_is_no_row_is_rejected(event):
    codec = CsvCodec() if event == {} else CsvCodec(fieldnames=["id", "name"])
    with pytest.raises(RejectedError, match="csv: expected"):
        codec.encode(event)


def test_a_schema_converts_the_cells():
    codec = CsvCodec(Reading)
    assert codec.header() == b"sensor,value,count,note"
    assert codec.decode(b"s1,2.5,7,x") == Reading("s1", 2.5, 7, "x")
    with pytest.raises(RejectedError, match="expected Reading"):
        codec.decode(b"s1,warm,7,x")
    assert CsvCodec(Pair).decode(b"1,2") == {"a": 1, "b": "2"}


def test_an_empty_cell_is_none_where_only_none_can_be_meant():
    codec = CsvCodec(Reading)
    reading = Reading("s1", 2.5, None, "x")
    assert codec.encode(reading) == b"s1,2.5,,x"
    assert codec.decode(b"s1,2.5,,x") == reading
    assert codec.decode(b"s1,2.5,,").note == ""


def test_many_rows_are_decoded_at_once_and_empty_lines_passed_over():
    codec = CsvCodec(fieldnames=["a", "b"])
    assert codec.decode_lines(b"1,2\r\n\r\n\n3,4") == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_an_open_quote_does_not_swallow_the_next_line():
    with pytest.raises(RejectedError):
        CsvCodec().decode_lines(b'a,"b\nc,d"\n')


def test_the_dialect_can_be_chosen():
    codec = CsvCodec(delimiter=";", quotechar="'", encoding="latin-1")
    assert codec.decode(b"caf\xe9;'a;b'") == ["café", "a;b"]
    assert codec.encode(["café", "a;b"]) == b"caf\xe9;'a;b'"


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ";;"},
        {"delimiter": ""},
        {"quotechar": "ab"},
        {"fieldnames": "id"},
        {"schema": int},
        {"encoding": "utf-99"},
    ],
)
def test_options_that_are_of_no_use_are_refused(options):
    with pytest.raises(ConfigError, match="codec '"):
        CsvCodec(**options)
