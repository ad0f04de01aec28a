"""Times of all forms become integer Unix milliseconds, rounded down."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ProcessingError
from bspump.window import timestamps
from bspump.window.timestamps import converter, of_datetime

PRAGUE = ZoneInfo("Europe/Prague")


def test_the_examples_are_true():
    assert doctest.testmod(timestamps).failed == 0


@pytest.mark.parametrize(
    ("form", "value", "at_ms"),
    [
        ("ms", 1500, 1500),
        ("ms", "1500", 1500),
        ("ms", 1500.9, 1500),
        ("ms", -0.5, -1),
        ("s", 1.001, 1001),
        ("s", 1700000000.123, 1700000000123),
        ("s", "1.5", 1500),
        ("s", b"2", 2000),
        ("s", 2, 2000),
        ("s", -1.5, -1500),
        ("us", 1_999, 1),
        ("us", -1, -1),
        ("ns", 1_700_000_000_123_999_999, 1_700_000_000_123),
        ("ns", "1700000000123999999", 1_700_000_000_123),
        ("iso", "1970-01-01T00:00:01Z", 1000),
        ("iso", b"1970-01-01T00:00:01+00:00", 1000),
        ("iso", "1970-01-01T01:00:00+01:00", 0),
        ("iso", "1970-01-01", 0),
        ("iso", "1969-12-31T23:59:59.999999", -1),
        ("%d/%b/%Y:%H:%M:%S %z", "01/Jan/1970:01:00:00 +0100", 0),
        ("%Y-%m-%d %H:%M", "1970-01-02 00:00", 86_400_000),
        ("ms", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1000),
        ("iso", datetime(1970, 1, 1, 0, 0, 1), 1000),  # noqa: DTZ001 - without a zone on purpose
    ],
)
def test_a_time_of_this_form_is_understood(form, value, at_ms):
    assert converter(form)(value) == at_ms


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2024-07-01T12:00:00", "2024-07-01T10:00:00Z"),
        ("2024-01-01T12:00:00", "2024-01-01T11:00:00Z"),
        ("2024-01-01T12:00:00+05:00", "2024-01-01T07:00:00Z"),
    ],
)
def test_a_time_without_a_zone_is_of_the_one_that_is_set(text, at):
    assert converter("iso", PRAGUE)(text) == converter("iso")(at)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("ms", None),
        ("ms", True),
        ("ms", "soon"),
        ("s", [1]),
        ("s", float("inf")),
        ("s", float("nan")),
        ("iso", "yesterday"),
        ("iso", 12),
        ("iso", None),
        ("iso", b"\xff"),
        ("%Y", "x"),
    ],
)
def test_what_is_no_time_is_an_error_that_shows_it(form, value):
    with pytest.raises(ProcessingError, match="expected a"):
        converter(form)(value)


@pytest.mark.parametrize("form", ["minutes", "", "ISO"])
def test_an_unknown_form_is_refused(form):
    with pytest.raises(ValueError, match="expected one of"):
        converter(form)


@given(st.integers(-7_000_000_000_000, 7_000_000_000_000))
def test_milliseconds_as_seconds_are_the_same_milliseconds(at_ms):
    assert converter("s")(at_ms / 1000) == at_ms
    assert converter("us")(at_ms * 1000) == at_ms
    assert converter("s")(f"{at_ms / 1000:.3f}") == at_ms


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=5)))))
def test_a_text_of_a_moment_is_the_moment(moment):
    assert converter("iso")(moment.isoformat()) == of_datetime(moment)
