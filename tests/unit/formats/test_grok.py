"""Grok expressions: what they become, what they find, how they are refused."""

from __future__ import annotations

import pytest

from bspump.abc.errors import ConfigError, RejectedError, UnknownNameError
from bspump.formats.grok import Grok


def test_named_patterns_become_fields():
    grok = Grok("^%{WORD:verb} %{NOTSPACE:path} %{NUMBER}$")
    assert grok.fields == ("verb", "path")
    assert grok.match("GET /x 0.5") == {"verb": "GET", "path": "/x"}
    assert grok.match("GET /x fast") is None


def test_fields_are_converted():
    grok = Grok("%{NUMBER:a:float} %{INT:b:int} %{BASE16NUM:c:int} %{WORD:d:bool}")
    assert grok.match("1.5 -007 0x1F yes") == {"a": 1.5, "b": -7, "c": 31, "d": True}


@pytest.mark.parametrize(
    ("expression", "line"),
    [
        ("%{WORD:a:int}", "abc"),
        ("%{NOTSPACE:a:int}", "1_x"),
        ("%{WORD:a:float}", "warm"),
        ("%{WORD:a:bool}", "maybe"),
        ("%{NUMBER:a:int}", "1" * 5000),
    ],
)
def test_a_field_that_cannot_be_converted_is_rejected(expression, line):
    with pytest.raises(RejectedError, match="grok: expected a to be "):
        Grok(expression).match(line)


def test_a_field_that_took_no_part_is_left_out():
    grok = Grok("^%{WORD:a}(?: %{INT:b:int})?(?: %{WORD:c:bool})?$")
    assert grok.match("x") == {"a": "x"}
    assert grok.match("x 5") == {"a": "x", "b": 5}


def test_patterns_are_made_of_patterns_and_bring_their_fields():
    patterns = {"PLACE": "%{WORD:city}, %{COUNTRY:country}", "COUNTRY": "[A-Z]{2}"}
    grok = Grok("^from %{PLACE:place}$", patterns)
    assert grok.match("from Brno, CZ") == {"place": "Brno, CZ", "city": "Brno", "country": "CZ"}


def test_a_pattern_of_alternatives_stays_one():
    assert Grok("^%{AB:x}c$", {"AB": "a|b"}).match("bc") == {"x": "b"}
    assert Grok("^%{AB}c(?<d>.)", {"AB": "a|b"}).match("a") is None


def test_an_own_pattern_replaces_a_shipped_one():
    assert Grok("^%{WORD:x}$", {"WORD": "[0-9]"}).match("5") == {"x": "5"}
    assert Grok("%{INT:x}z", {"INT": "a.*"}).match("1aaz") == {"x": "aa"}


def test_fields_are_named_inline_too():
    grok = Grok(r"(?<first>\w+) (?P<second>\w+) (?<=\s)(?<!x)(?<third-one>\d+)")
    assert grok.match("a b 7") == {"first": "a", "second": "b", "third-one": "7"}


def test_a_named_group_can_be_referred_to():
    assert Grok(r"(?<quote>['\"]).*?(?P=quote)").match("a 'b\"c' d") == {"quote": "'"}


def test_names_of_fields_may_have_dots_and_dashes():
    grok = Grok("%{WORD:source.name}-%{WORD:@tag}-%{WORD:x-y}")
    assert grok.match("a-b-c") == {"source.name": "a", "@tag": "b", "x-y": "c"}


def test_own_groups_do_not_disturb_the_fields():
    assert Grok("(a|b) (%{WORD:x}) (c)").match("b y c") == {"x": "y"}


def test_what_looks_like_a_reference_but_is_none_stays():
    assert Grok(r"(?<x>[%{}]+) \(?<y> \[%\{A\}").match(r"{%} (<y> [%{A}") == {"x": "{%}"}


def test_the_expression_is_looked_for_anywhere_unless_it_is_tied():
    assert Grok("took %{INT:ms:int} ms").match("GET /x took 12 ms (slow)") == {"ms": 12}
    assert Grok("^%{INT:ms}").match("took 12") is None
    assert Grok("^a|(?<b>b)").match("xb") == {"b": "b"}


@pytest.mark.parametrize(
    ("expression", "line", "expected"),
    [
        ("%{INT:x} ms", "v12 34 ms", {"x": "34"}),
        ("%{NUMBER:x}s", "1.2.30s", {"x": "2.30"}),
        ("%{NOTSPACE:x} end", "a b end", {"x": "b"}),
        ("%{DATA:x} end", "a b end", {"x": "a b"}),
        ("%{DATA:x} end", "none\na b end", {"x": "a b"}),
        ("%{GREEDYDATA:x}c", "abcbc", {"x": "abcb"}),
        ("%{DATA:x}?c", "abc", {"x": "ab"}),
        ("%{INT:x}{2}c", "12c", {"x": "2"}),
        ("%{SPACE:x}y", "a  y", {"x": "  "}),
    ],
)
def test_an_expression_that_begins_with_a_run_finds_its_first_place(expression, line, expected):
    assert Grok(expression).match(line) == expected


def test_an_unknown_pattern_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownNameError) as caught:
        Grok("%{WROD:x}")
    text = str(caught.value)
    assert text.startswith("grok pattern 'WROD' is not defined [C012]\n  used by: '%{WROD:x}'")
    assert "did you mean 'WORD'?" in text
    with pytest.raises(UnknownNameError, match="used by: grok pattern 'A'"):
        Grok("%{A:x}", {"A": "%{NOBODY}"})


@pytest.mark.parametrize(
    ("expression", "patterns", "expected"),
    [
        ("%{A:x}", {"A": "%{B}", "B": "%{A}"}, "patterns are made of themselves: A → B → A"),
        ("%{A:x}", {"A": "a%{A}"}, "patterns are made of themselves: A → A"),
        ("%{WORD:x} %{WORD:x}", {}, "field 'x' is there twice"),
        ("%{WORD:x} (?<x>a)", {}, "field 'x' is there twice"),
        ("%{A} %{A}", {"A": "%{WORD:x}"}, "pattern 'A' of '%{A} %{A}': field 'x' is there twice"),
        ("%{WORD}", {}, "names no field"),
        ("%{INT:x:integer}", {}, "expected one of bool, float, int, got 'integer'"),
        ("%{INT:x:itn}", {}, "did you mean 'int'?"),
        ("%{INT:[a][b]}", {}, "expected %{NAME}, %{NAME:field} or %{NAME:field:int}"),
        ("%{}", {}, "expected %{NAME}"),
        ("(?<a b>x)", {}, "field 'a b': expected letters"),
        ("%{WORD:x} (", {}, "missing ), unterminated subpattern, near '('"),
        ("%{WORD:x} [a", {}, "unterminated character set"),
        (r"(?<x>a)\1", {}, "name the group, (?<name>…), and use (?P=name)"),
        ("(?<x>[[:alpha:]_]+)", {}, "there are no classes such as [:alpha:]"),
    ],
)
def test_an_expression_that_is_of_no_use_is_refused(expression, patterns, expected):
    with pytest.raises(ConfigError) as caught:
        Grok(expression, patterns)
    assert expected in str(caught.value)
    assert str(caught.value).startswith("grok: ")


def test_an_expression_shows_itself():
    assert repr(Grok("%{WORD:x}")) == "Grok('%{WORD:x}')"
