from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import ConfigError, RejectedError, UnknownNameError
from bspump.common import GrokParser


def test_lines_of_text_and_of_bytes_become_fields(through):
    part = partial(GrokParser, pattern="^%{WORD:verb} %{NUMBER:took_s:float}$")
    out, errors = through(part, events=["GET 0.5", b"PUT 2", bytearray(b"DEL 1")])
    assert out == [
        {"verb": "GET", "took_s": 0.5},
        {"verb": "PUT", "took_s": 2.0},
        {"verb": "DEL", "took_s": 1.0},
    ]
    assert errors == []


def test_expressions_are_tried_in_their_order(through):
    part = partial(GrokParser, pattern=["^%{INT:number:int}$", "^%{WORD:word}$", "(?<any>.*)"])
    out, _ = through(part, events=["12", "twelve", "1 2"])
    assert out == [{"number": 12}, {"word": "twelve"}, {"any": "1 2"}]


def test_a_line_that_matches_none_is_the_error_of_that_line_alone(through):
    part = partial(GrokParser, pattern=["^%{INT:n:int}$", "^%{WORD:w:int}$"])
    out, errors = through(part, events=["1", "-- no", "x", 7, "2"])
    assert out == [{"n": 1}, {"n": 2}]
    assert [type(error) for error in errors] == [RejectedError] * 3
    assert str(errors[0]) == (
        "GrokParser: expected text that matches, got '-- no' "
        "(tried '^%{INT:n:int}$', '^%{WORD:w:int}$')"
    )


def test_a_field_of_a_dict_is_parsed_and_the_event_left_alone(through):
    event = {"host": "h", "line": "took 5 ms", "ms": None}
    part = partial(GrokParser, pattern="took %{INT:ms:int} ms", field="line")
    out, errors = through(part, events=[event])
    assert (out, errors) == ([{"host": "h", "line": "took 5 ms", "ms": 5}], [])
    assert event == {"host": "h", "line": "took 5 ms", "ms": None}


def test_the_field_goes_where_it_is_not_to_be_kept(through):
    part = partial(GrokParser, pattern="took %{INT:ms:int} ms", field="line", keep=False)
    assert through(part, events=[{"a": 1, "line": "took 5 ms"}])[0] == [{"a": 1, "ms": 5}]
    part = partial(GrokParser, pattern=": (?<line>.*)", field="line", keep=False)
    assert through(part, events=[{"line": "head: text"}])[0] == [{"line": "text"}]


@pytest.mark.parametrize("event", [{}, {"line": None}, {"line": 7}, {"line": "no"}, "took 5 ms"])
def test_an_event_without_the_text_is_rejected(through, event):
    part = partial(GrokParser, pattern="took %{INT:ms} ms", field="line")
    out, errors = through(part, events=[event, {"line": "took 5 ms"}])
    assert out == [{"line": "took 5 ms", "ms": "5"}]
    assert [type(error) for error in errors] == [RejectedError]
    assert "field 'line'" in str(errors[0])


def test_bytes_that_are_not_utf8_become_escapes(through):
    part = partial(GrokParser, pattern="(?<all>.*)")
    assert through(part, events=[b"caf\xe9 \xc5\xbe"])[0] == [{"all": "caf\\xe9 ž"}]


def test_patterns_of_ones_own_may_be_used(through):
    part = partial(GrokParser, pattern="%{PAIR}", patterns={"PAIR": "%{WORD:k}=%{WORD:v}"})
    assert through(part, events=["a=b"])[0] == [{"k": "a", "v": "b"}]


@pytest.mark.parametrize(
    ("pattern", "error"),
    [("%{NOBODY:x}", UnknownNameError), ("%{INT}", ConfigError), ([], ConfigError)],
)
def test_an_expression_of_no_use_stops_the_start(through, pattern, error):
    with pytest.raises(error):
        through(partial(GrokParser, pattern=pattern), events=["1"])
