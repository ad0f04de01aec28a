"""Values as they are configured: durations, sizes, truth, and the mapping of a component."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.config import (
    Config,
    Entry,
    parse_boolean,
    parse_bytes,
    parse_integer,
    parse_number,
    parse_seconds,
    parse_url,
)
from bspump.abc.errors import OptionError


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (10, 10.0),
        (0.5, 0.5),
        ("10", 10.0),
        (".5", 0.5),
        (" 250 ms ", 0.25),
        ("90s", 90.0),
        ("5m", 300.0),
        ("1.5h", 5400.0),
        ("2d", 172800.0),
        ("1w", 604800.0),
        ("1M", 2678400.0),
        ("1y", 31536000.0),
        ("1e3", 1000.0),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_has_a_unit(written, seconds):
    assert parse_seconds(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        "ten",
        "5 parsecs",
        "1h30",
        "-5s",
        "nan",
        math.nan,
        math.inf,
        "1e999",
        10**400,
        True,
        None,
    ],
)
def test_what_is_no_duration_is_refused(written):
    with pytest.raises(ValueError, match="Expected a duration"):
        parse_seconds(written)


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [
        (65536, 65536),
        ("65536", 65536),
        ("64KiB", 65536),
        ("64 kib", 65536),
        ("64k", 64000),
        ("1.5MB", 1_500_000),
        ("1GiB", 2**30),
        ("2TB", 2 * 10**12),
        ("10B", 10),
    ],
)
def test_a_size_is_a_number_of_bytes_or_has_a_unit(written, size_bytes):
    assert parse_bytes(written) == size_bytes


@pytest.mark.parametrize("written", ["", "many", "5i", "-1", "1EB", 1.5, True, None])
def test_what_is_no_size_is_refused(written):
    with pytest.raises(ValueError, match="Expected a size"):
        parse_bytes(written)


@given(st.integers(min_value=0, max_value=2**80))
def test_a_size_is_exact_however_large(size_bytes):
    assert parse_bytes(str(size_bytes)) == size_bytes
    assert parse_bytes(f"{size_bytes}KiB") == size_bytes * 1024


@given(st.floats(min_value=0, max_value=1e12))
def test_a_duration_written_as_text_is_the_same(seconds):
    assert parse_seconds(str(seconds)) == parse_seconds(seconds) == seconds


@given(st.text())
def test_any_text_is_a_value_or_a_value_error(text):
    for parse in (parse_seconds, parse_bytes, parse_boolean, parse_integer, parse_number):
        try:
            parse(text)
        except ValueError as error:
            assert str(error).startswith("Expected ")  # noqa: PT017 - a text may also be valid


@pytest.mark.parametrize("written", [True, "yes", "On", " TRUE ", "1", 1])
def test_these_are_true(written):
    assert parse_boolean(written) is True


@pytest.mark.parametrize("written", [False, "no", "Off", "false", "0", 0])
def test_these_are_false(written):
    assert parse_boolean(written) is False


@pytest.mark.parametrize("written", ["", "maybe", 2, None, 1.5])
def test_what_is_neither_true_nor_false_is_refused(written):
    with pytest.raises(ValueError, match="Expected one of yes, no"):
        parse_boolean(written)


@pytest.mark.parametrize(
    ("written", "number"), [(5, 5), ("5", 5), (" +5 ", 5), ("007", 7), (5.0, 5)]
)
def test_a_whole_number_may_be_text(written, number):
    assert parse_integer(written) == number


@pytest.mark.parametrize("written", [1.5, "1.5", True, "", "0x10", None, math.nan, "1_000"])
def test_what_is_no_whole_number_is_refused(written):
    with pytest.raises(ValueError, match="Expected a whole number"):
        parse_integer(written)


@pytest.mark.parametrize("written", ["nan", "inf", math.nan, True, "", None, 10**400])
def test_what_is_no_finite_number_is_refused(written):
    with pytest.raises(ValueError, match="Expected a number"):
        parse_number(written)


def test_a_url_loses_its_trailing_slash_and_keeps_its_scheme():
    assert parse_url(" http://host:9200/ ") == "http://host:9200"
    assert parse_url("https://host", ("http", "https")) == "https://host"
    with pytest.raises(ValueError, match="begins with http or https"):
        parse_url("ftp://host", ("http", "https"))


@pytest.fixture
def config() -> Config:
    values = {"n": "5", "x": "1.5", "on": "yes", "age": "2m", "url": "http://h/", "bad": "five"}
    return Config(values | {"password": "hunter2"}, "pipeline:A:B", {"bad": "pump.conf:7"})


def test_the_readers_of_a_config_convert(config):
    assert config.getint("n") == 5
    assert config.getfloat("x") == 1.5
    assert config.getboolean("on") is True
    assert config.getseconds("age") == 120.0
    assert config.geturl("url") == config.geturl("url", scheme="http") == "http://h"


def test_a_config_is_a_dict_that_can_be_changed(config):
    assert config.pop("n") == "5"
    config["n"] = 6
    assert config.get("n") == 6
    assert config.get("missing") is None
    assert "missing" not in config
    with pytest.raises(KeyError, match="missing"):
        config.getint("missing")


@pytest.mark.parametrize("reader", ["getint", "getfloat", "getboolean", "getseconds"])
def test_a_value_that_cannot_be_converted_says_where_it_stands(config, reader):
    with pytest.raises(ValueError, match="expected") as caught:
        getattr(config, reader)("bad")
    error = caught.value
    assert isinstance(error, OptionError)
    assert (error.place, error.section, error.key) == ("pump.conf:7", "pipeline:A:B", "bad")
    assert error.got == "'five'"


def test_no_secret_of_a_config_is_shown(config):
    assert "hunter2" not in repr(config)
    assert "'n': '5'" in repr(config)
    with pytest.raises(OptionError) as caught:
        config.getint("password")
    assert "hunter2" not in str(caught.value)
    assert caught.value.got == "***"


def test_the_value_of_an_entry_is_not_shown():
    assert "hunter2" not in repr(Entry("hunter2", "pump.conf:3"))
    assert "pump.conf:3" in repr(Entry("hunter2", "pump.conf:3"))
