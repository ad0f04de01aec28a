from __future__ import annotations

import datetime
import decimal
import uuid
from functools import partial

import pytest

from bspump.abc.errors import ConfigError, ProcessingError, RejectedError, UnknownNameError
from bspump.common import (
    FieldCaster,
    FieldExploder,
    FieldRemover,
    FieldRenamer,
    FieldSelector,
    FieldSetter,
    FlattenDictProcessor,
)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"a": {"b": {"c": 1}}, "d": 2}, {"a.b.c": 1, "d": 2}),
        ({"a": {}, "b": None, "c": [{"x": 1}]}, {"a": {}, "b": None, "c": [{"x": 1}]}),
        ({"a": {1: "x"}}, {"a.1": "x"}),
        ({}, {None: {}}),
    ],
)
def test_nested_dicts_become_flat(through, event, expected):
    assert through(FlattenDictProcessor, events=[event]) == ([expected], [])


def test_the_separator_is_an_option(through):
    part = partial(FlattenDictProcessor, config={"separator": "_"})
    assert through(part, events=[{"a": {"b": 1}}])[0] == [{"a_b": 1}]


@pytest.mark.parametrize(
    ("names", "event", "expected"),
    [
        ({"a": "b"}, {"a": 1, "c": 2}, {"b": 1, "c": 2}),
        ({"a": "b"}, {"c": 2}, {"c": 2}),
        ({"a": "b"}, {"a": 1, "b": 2}, {"b": 1}),
        ({"a": "b", "b": "a"}, {"a": 1, "b": 2}, {"b": 1, "a": 2}),
        ({"a": "a"}, {"a": 1}, {"a": 1}),
    ],
)
def test_fields_are_renamed_in_their_order(through, names, event, expected):
    out, errors = through(partial(FieldRenamer, names=names), events=[event])
    assert (out, errors) == ([expected], [])
    assert list(out[0]) == list(expected)


def test_fields_are_selected_in_the_order_in_which_they_are_named(through):
    out, _ = through(partial(FieldSelector, fields=["b", "x", "a"]), events=[{"a": 1, "b": 2}])
    assert [list(event.items()) for event in out] == [[("b", 2), ("a", 1)]]


def test_fields_are_removed(through):
    out, _ = through(partial(FieldRemover, fields=["a", "x"]), events=[{"a": 1, "b": 2}])
    assert out == [{"b": 2}]


def test_fields_are_set_to_values_and_to_what_functions_return(through):
    fields = {"kind": "test", "total": lambda context, event: event["a"] + context["n"], "a": 0}
    out, _ = through(partial(FieldSetter, fields=fields), events=[{"a": 1}], contexts=[{"n": 10}])
    assert out == [{"a": 0, "kind": "test", "total": 11}]
    assert list(out[0]) == ["a", "kind", "total"]


def test_constant_fields_are_set(through):
    assert through(partial(FieldSetter, fields={"x": 1}), events=[{}])[0] == [{"x": 1}]


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("int", "42", 42),
        ("float", "1.5", 1.5),
        ("float", 2, 2.0),
        ("bool", "yes", True),
        ("bool", 0, False),
        ("str", 42, "42"),
        ("decimal", "1.10", decimal.Decimal("1.10")),
        ("date", "2024-02-29", datetime.date(2024, 2, 29)),
        (
            "datetime",
            "2024-01-02T03:04:05Z",
            datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        ),
        ("datetime", 0, datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)),
        ("uuid", "12345678-1234-5678-1234-567812345678", uuid.UUID("12345678" + "12345678" * 3)),
        (list[int], ["1", 2], [1, 2]),
        (int, None, None),
    ],
)
def test_a_field_is_brought_to_its_type(through, type_, value, expected):
    if type_ == "uuid":
        expected = uuid.UUID(value)
    event = {"field": value, "other": "x"}
    out, errors = through(partial(FieldCaster, types={"field": type_}), events=[event])
    assert (out, errors) == ([{"field": expected, "other": "x"}], [])
    assert type(out[0]["field"]) is type(expected)


def test_an_absent_field_stays_absent(through):
    assert through(partial(FieldCaster, types={"a": "int"}), events=[{}]) == ([{}], [])


def test_a_value_that_does_not_fit_spares_its_neighbours(through):
    events = [{"a": "1"}, {"a": "one"}, {"a": "2"}]
    out, errors = through(partial(FieldCaster, types={"a": "int"}), events=events)
    assert out == [{"a": 1}, {"a": 2}]
    assert [type(error) for error in errors] == [RejectedError]
    assert "'a'" in str(errors[0])
    assert "got 'one'" in str(errors[0])


def test_an_unknown_type_is_an_error_of_the_configuration(through):
    with pytest.raises(UnknownNameError, match="did you mean 'float'"):
        through(partial(FieldCaster, types={"a": "flaot"}), events=[])
    with pytest.raises(ConfigError, match="expected a type"):
        through(partial(FieldCaster, types={"a": 42}), events=[])


def test_each_item_of_a_list_makes_an_event(through):
    events = [{"n": 1, "x": ["a", "b"]}, {"n": 2, "x": []}, {"n": 3}, {"n": 4, "x": ("c",)}]
    out, errors = through(partial(FieldExploder, field="x"), events=events)
    assert errors == []
    assert out == [{"n": 1, "x": "a"}, {"n": 1, "x": "b"}, {"n": 3}, {"n": 4, "x": "c"}]


def test_what_is_no_list_is_not_taken_apart(through):
    out, errors = through(partial(FieldExploder, field="x"), events=[{"x": "ab"}, {"x": [1]}])
    assert out == [{"x": 1}]
    assert [type(error) for error in errors] == [ProcessingError]


@pytest.mark.parametrize(
    "part",
    [
        FlattenDictProcessor,
        partial(FieldRenamer, names={"a": "z"}),
        partial(FieldSelector, fields=["a"]),
        partial(FieldRemover, fields=["a"]),
        partial(FieldSetter, fields={"a": 2, "y": 1}),
        partial(FieldCaster, types={"a": "str"}),
        partial(FieldExploder, field="b"),
    ],
)
def test_the_event_that_came_in_is_left_alone(through, part):
    event = {"a": 1, "b": [1, 2], "c": {"d": 1}}
    _, errors = through(part, events=[event])
    assert errors == []
    assert event == {"a": 1, "b": [1, 2], "c": {"d": 1}}
