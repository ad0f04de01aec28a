"""Characters can be written in a configuration file."""

from __future__ import annotations

import csv

import pytest

from bspump.file.characters import (
    parse_character,
    parse_newline,
    parse_optional_character,
    parse_quoting,
    unescape,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(r"\t", "\t"), (r"\\", "\\"), ("\\", "\\"), (r"a\nb", "a\nb"), (r"\x", r"\x"), ("", "")],
)
def test_escapes_stand_for_their_characters(text, expected):
    assert unescape(text) == expected


def test_a_character_is_one():
    assert parse_character(";") == ";"
    for wrong in ("", "ab", None, 5):
        with pytest.raises(ValueError, match="Expected one character"):
            parse_character(wrong)


def test_a_character_may_be_left_out():
    assert (parse_optional_character(""), parse_optional_character(None)) == ("", "")
    assert parse_optional_character("\\") == "\\"


def test_newlines_are_those_that_open_knows():
    assert [parse_newline(text) for text in ("", r"\n", "\n", r"\r\n")] == ["", "\n", "\n", "\r\n"]
    with pytest.raises(ValueError, match="Expected one of"):
        parse_newline("x")


@pytest.mark.parametrize("value", [csv.QUOTE_ALL, "1", "all", "QUOTE_ALL", "Quote_All"])
def test_quoting_has_a_number_or_a_name(value):
    assert parse_quoting(value) == csv.QUOTE_ALL


@pytest.mark.parametrize("value", ["9", "some", "", None])
def test_another_quoting_is_refused(value):
    with pytest.raises(ValueError, match="QUOTE_ALL"):
        parse_quoting(value)
