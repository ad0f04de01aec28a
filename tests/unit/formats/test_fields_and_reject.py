"""What text formats share: values as text, text as values, and the error for what is neither."""

from __future__ import annotations

import datetime
import enum
import uuid

import msgspec
import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.formats.fields import cell, convert, fields_of, nullable_of, plain_value
from bspump.formats.reject import rejected, shorten


class Colour(enum.IntEnum):
    RED = 1


class Metres(float):
    def __repr__(self):
        return f"Metres({float(self)})"


class Row(msgspec.Struct):
    name: str = msgspec.field(name="Name")
    count: int | None = None
    note: str | None = None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (None, ""),
        (True, "true"),
        (7, "7"),
        (1e300, "1e+300"),
        (Colour.RED, "1"),
        (Metres(2.5), "2.5"),
        ([1, {"a": None}], '[1,{"a":null}]'),
        (Row("x"), '{"Name":"x","count":null,"note":null}'),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_a_value_becomes_text(value, text):
    assert cell("csv", value) == text


@pytest.mark.parametrize("value", [object(), [object()], [{(1, 2): 3}]])
def test_a_value_that_text_cannot_hold_is_rejected(value):
    with pytest.raises(RejectedError, match="csv: expected a value that text can hold"):
        cell("csv", value)


def test_text_becomes_the_declared_type():
    assert convert("csv", {"Name": "x", "count": "7"}, Row) == Row("x", 7)
    with pytest.raises(RejectedError, match="csv: expected Row"):
        convert("csv", {"count": "7"}, Row)


def test_the_fields_of_a_schema_have_their_written_names():
    assert fields_of("csv", Row) == ("Name", "count", "note")
    assert nullable_of(Row) == {"count"}
    for wrong in (int, "Row", dict[str, int]):
        with pytest.raises(ConfigError, match="codec 'csv': the schema"):
            fields_of("csv", wrong)


def test_only_what_has_a_plain_form_gets_one():
    assert type(plain_value(Metres(1.0))) is float
    with pytest.raises(TypeError, match="values of type object"):
        plain_value(object())


def test_an_error_says_where_what_was_expected_and_what_came():
    error = rejected("csv", "one row", b"a\nb", "two lines")
    assert str(error) == r"csv: expected one row, got b'a\nb' (two lines)"


@pytest.mark.parametrize(
    "value", [b"x" * 10**6, "x" * 10**6, list(range(10**6)), {i: i for i in range(10**5)}]
)
def test_what_came_is_shown_shortened(value):
    assert len(shorten(value)) <= 80


def test_an_integer_that_python_will_not_write_is_rejected_like_others():
    with pytest.raises(RejectedError, match="got <int>"):
        cell("csv", 10**5000)
