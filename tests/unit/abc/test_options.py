"""Options: declared once, filled from defaults, a section and `config=`, checked all at once."""

from __future__ import annotations

import enum
import logging
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, field

from bspump.abc.config import Entry
from bspump.abc.errors import OptionError
from bspump.abc.options import (
    BatchOptions,
    Duration,
    Options,
    RetryOptions,
    Size,
    option_fields,
    resolve,
)
from bspump.abc.processor import AsyncOptions


class Start(enum.Enum):
    LATEST = "latest"
    EARLIEST = "earliest"


class ExampleOptions(Options, frozen=True, kw_only=True):
    port: Annotated[int, Meta(ge=1, le=65535, description="Port to listen on.")] = 514
    ratio: float = 0.5
    verify: bool = True
    name: str = "x"
    timeout: Annotated[Duration, Meta(description="For one request.")] = 30.0
    limit: Annotated[Size | None, Meta(description="At the most.")] = None
    start: Literal["latest", "earliest"] = "latest"
    begin: Start = Start.LATEST
    columns: list[str] = []
    ports: tuple[int, ...] = ()
    waits: list[Duration] = []
    headers: dict[str, str] = {}
    client_id: str | None = field(default=None, name="client.id")
    password: str = ""
    batch: BatchOptions = BatchOptions(max_events=7)


def filled(
    config: dict[str, Any] | None = None,
    given: dict[str, Any] | None = None,
    *,
    cls: type = object,
    options: type[Options] = ExampleOptions,
    is_open: bool = False,
):
    entries = {
        key: Entry(value, f"pump.conf:{number}")
        for number, (key, value) in enumerate((config or {}).items(), 2)
    }
    return resolve(cls, options, "pipeline:A:B", entries, given, is_open=is_open)


def values_of(config: dict[str, Any], given: dict[str, Any] | None = None) -> Any:
    found = filled(config, given)
    assert found.problems == []
    return found.options


def problem_of(config: dict[str, Any], **more: Any) -> OptionError:
    (problem,) = filled(config, **more).problems
    assert isinstance(problem, OptionError)
    return problem


def test_nothing_said_means_the_defaults():
    found = filled()
    assert found.options == ExampleOptions()
    assert found.options.batch.max_events == 7
    assert found.config["batch.max_events"] == 7
    assert found.config["client.id"] is None


def test_a_nested_default_may_differ_from_the_one_of_its_struct():
    assert RetryOptions().attempts == 0
    assert filled(options=AsyncOptions).options.retry == RetryOptions(attempts=1)
    said = filled({"retry.first": "2s"}, options=AsyncOptions).options
    assert said.retry == RetryOptions(attempts=1, first=2.0)


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        ("port", "8080", 8080),
        ("port", 8080, 8080),
        ("ratio", "0.25", 0.25),
        ("ratio", 1, 1.0),
        ("verify", "no", False),
        ("verify", "On", True),
        ("timeout", "5m", 300.0),
        ("timeout", 2, 2.0),
        ("limit", "64KiB", 65536),
        ("limit", "", None),
        ("start", "earliest", "earliest"),
        ("begin", "earliest", Start.EARLIEST),
        ("columns", "a, b,c", ["a", "b", "c"]),
        ("columns", "first name\nlast name", ["first name", "last name"]),
        ("columns", "a b", ["a", "b"]),
        ("columns", ["first name"], ["first name"]),
        ("columns", "", []),
        ("ports", "80,443", (80, 443)),
        ("ports", [80, "443"], (80, 443)),
        ("waits", "1s, 250ms", [1.0, 0.25]),
        ("client.id", "me", "me"),
    ],
)
def test_what_is_written_becomes_the_declared_type(key, written, value):
    found = filled({key: written})
    assert found.problems == []
    assert found.config[key] == value
    assert getattr(found.options, key.replace(".", "_")) == value
    assert type(found.config[key]) is type(value)


def test_nested_options_are_written_with_dots():
    assert values_of({"batch.max_age": "2m", "batch.max_events": "10"}).batch == BatchOptions(
        max_events=10, max_age=120.0
    )


def test_a_program_may_nest_them_as_well():
    options = values_of({"batch.max_events": "10"}, {"batch": {"max_age": 3, "max_bytes": "1k"}})
    assert options.batch == BatchOptions(max_events=10, max_age=3.0, max_bytes=1000)


def test_an_option_that_is_a_mapping_takes_single_keys():
    found = filled({"headers": {"A": "1", "B": "2"}, "headers.B": "3", "headers.x.y": "4"})
    assert found.problems == []
    assert found.options.headers == {"A": "1", "B": "3", "x.y": "4"}
    assert found.config["headers"] == found.options.headers
    assert "headers.B" not in found.config


def _parse_labels(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(map(str.islower, value)):
        raise ValueError("Expected labels in lower case")
    return {key.strip(): str(inner) for key, inner in value.items()}


class LabelOptions(Options, frozen=True, kw_only=True):
    labels: Annotated[dict[str, str], Meta(extra={"parse": _parse_labels})] = {}


def test_a_mapping_may_have_a_parser_of_its_own():
    found = filled({"labels": {"a ": 1}, "labels.b": 2}, options=LabelOptions)
    assert found.config["labels"] == {"a": "1", "b": "2"}
    problem = problem_of({"labels.B": "2"}, options=LabelOptions)
    assert (problem.key, problem.expected) == ("labels.B", "labels in lower case")


def test_a_mapping_that_is_said_anew_replaces_single_keys():
    assert values_of({"headers.A": "1"}, {"headers": {"B": "2"}}).headers == {"B": "2"}


def test_no_two_components_share_a_default_that_can_be_changed():
    one, other = filled().options, filled().options
    one.columns.append("mine")
    one.headers["A"] = "mine"
    assert (other.columns, other.headers) == ([], {})
    assert filled().config["columns"] == []


class Base:
    ConfigDefaults = {"port": 1, "name": "base", "timeout": "1m"}


class Derived(Base):
    ConfigDefaults = {"port": "2"}


class Mixin:
    ConfigDefaults = {"port": 3, "batch": {"max_events": 9}}


class Both(Mixin, Derived):
    pass


def test_the_most_derived_class_that_defines_a_key_wins():
    assert filled(cls=Base).config["port"] == 1
    assert filled(cls=Derived).config["port"] == 2
    assert filled(cls=Derived).config["name"] == "base"
    assert filled(cls=Both).options.port == 3
    assert filled(cls=Both).options.timeout == 60.0
    assert filled(cls=Both).options.batch.max_events == 9


def test_defaults_are_under_the_section_and_that_is_under_the_program():
    assert filled({"port": "10"}, cls=Derived).options.port == 10
    assert filled({"port": "10"}, {"port": 11}, cls=Derived).options.port == 11


def test_a_default_that_is_none_is_a_mistake_of_the_program():
    class Wrong(Base):
        ConfigDefaults = {"path": None}

    with pytest.raises(ValueError, match=r"\[pipeline:A:B\] path") as caught:
        filled(cls=Wrong)
    assert "ConfigDefaults of Wrong" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "written", "expected", "got"),
    [
        ("port", "80a", "a whole number, at least 1, at most 65535", "'80a'"),
        ("port", 0, "a whole number, at least 1, at most 65535", "0"),
        ("port", "65536", "a whole number, at least 1, at most 65535", "'65536'"),
        ("port", 1.5, "a whole number, at least 1, at most 65535", "1.5"),
        ("port", True, "a whole number, at least 1, at most 65535", "True"),
        ("ratio", "nan", "a number", "'nan'"),
        ("ratio", float("nan"), "a number", "nan"),
        ("verify", "maybe", "one of yes, no, on, off, true, false, 1, 0", "'maybe'"),
        ("name", 5, "text, in quotes", "5"),
        ("name", ["a"], "text", "['a']"),
        ("timeout", "-1", "a duration such as `10`, `250ms`, `5m` or `1h`", "'-1'"),
        ("timeout", -1, "a duration such as `10`, `250ms`, `5m` or `1h`", "-1"),
        ("limit", "5EB", "a size such as `65536`, `64KiB` or `10MB` or nothing", "'5EB'"),
        ("start", "newest", "one of 'latest', 'earliest'", "'newest'"),
        ("begin", "newest", "one of 'latest', 'earliest'", "'newest'"),
        ("ports", "80,x", "a list, each a whole number", "'80,x'"),
        (
            "waits",
            ["soon"],
            "a list, each a duration such as `10`, `250ms`, `5m` or `1h`",
            "['soon']",
        ),
        ("headers", "x", "a mapping", "'x'"),
        ("headers.A", 5, "text, in quotes", "5"),
        ("batch.max_events", "0", "a whole number, at least 1", "'0'"),
        ("password", 12345, "text, in quotes", "***"),
        ("headers.Authorization", ["hunter2"], "text", "***"),
    ],
)
def test_what_does_not_fit_is_answered_by_what_does(key, written, expected, got):
    problem = problem_of({key: written})
    assert (problem.place, problem.section, problem.key) == ("pump.conf:2", "pipeline:A:B", key)
    assert problem.expected == expected
    assert problem.got == got


def test_a_value_of_the_program_that_does_not_fit_names_the_class():
    problem = problem_of({}, given={"port": "x"}, cls=Derived)
    assert problem.place == "config= of Derived"


def test_a_default_that_does_not_fit_names_the_class_that_has_it():
    class Wrong(Base):
        ConfigDefaults = {"port": "x"}

    assert problem_of({}, cls=Wrong).place == "ConfigDefaults of Wrong"


def test_an_unknown_key_is_answered_by_the_nearest_one_and_by_all():
    problem = problem_of({"max_evnts": 1, "port": 5}, options=BatchOptions, given=None, cls=Base)
    assert "there is no such option" in str(problem)
    assert "did you mean 'max_events'?" in str(problem)
    assert problem.expected.startswith("an option of Base: max_age, max_bytes, max_events, name")


def test_all_that_is_wrong_is_found_at_once():
    found = filled({"port": "x", "prot": 1, "timeout": "y"}, {"verify": "z", "batch.max_age": -1})
    assert [p.key for p in found.problems if isinstance(p, OptionError)] == [
        "prot",
        "port",
        "verify",
        "timeout",
        "batch.max_age",
    ]
    assert found.options == ExampleOptions()


class RequiredOptions(Options, frozen=True, kw_only=True):
    topic: Annotated[str, Meta(description="What to read.")]
    port: int
    kind: Literal["a", "b"]
    names: list[str]
    batch: BatchOptions = BatchOptions()


def test_a_required_option_that_is_missing_is_reported_and_has_a_blank_of_its_type():
    found = filled({"topic": "t"}, options=RequiredOptions)
    assert [(p.key, p.place) for p in found.problems if isinstance(p, OptionError)] == [
        ("port", "pump.conf:2"),
        ("kind", "pump.conf:2"),
        ("names", "pump.conf:2"),
    ]
    assert "it has no default and must be given" in str(found.problems[0])
    options: Any = found.options
    assert (options.topic, options.port, options.kind, options.names) == ("t", 0, "a", [])


def test_a_required_option_that_does_not_fit_is_reported_once():
    said = {"topic": "t", "port": "x", "kind": "a", "names": "a"}
    assert problem_of(said, options=RequiredOptions).key == "port"


def test_no_secret_is_shown():
    found = filled({"password": "hunter2", "headers.Authorization": "hunter2"})
    assert "hunter2" not in repr(found.options)
    assert "hunter2" not in repr(found.config)
    assert "password='***'" in repr(found.options)
    assert "max_events=7" in repr(found.options)


def test_no_password_of_a_url_is_shown():
    problem = problem_of({"port": "amqp://joe:hunter2@host"})
    assert problem.got == "'amqp://joe:***@host'"


def test_a_long_value_is_cut():
    assert len(problem_of({"port": "x" * 5000}).got) < 200


def test_an_open_class_keeps_what_it_does_not_declare():
    found = filled({"mine": "5", "port": "80"}, is_open=True)
    assert found.problems == []
    assert (found.config["mine"], found.config["port"]) == ("5", 80)


def test_a_key_in_another_case_is_an_error_even_in_an_open_class():
    problem = problem_of({"Port": "80"}, is_open=True)
    assert "did you mean 'port'?" in str(problem)


def test_a_key_of_an_open_class_that_looks_like_a_typing_error_is_logged(caplog):
    with caplog.at_level(logging.WARNING):
        assert filled({"batch.max_evnts": "5", "mine": 1}, is_open=True).problems == []
    (record,) = caplog.records
    assert record.fields["did_you_mean"] == "batch.max_events"
    assert record.fields["place"] == "pump.conf:2"


def test_the_fields_tell_names_types_and_descriptions():
    fields = option_fields(ExampleOptions)
    assert list(fields)[-3:] == ["batch.max_events", "batch.max_bytes", "batch.max_age"]
    assert fields["port"].description == "Port to listen on."
    assert fields["timeout"].description == "For one request."
    assert fields["timeout"].expected == "a duration such as `10`, `250ms`, `5m` or `1h`"
    assert fields["password"].is_secret
    assert not fields["port"].is_secret
    assert option_fields(RequiredOptions)["topic"].is_required


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "port": st.one_of(st.integers(), st.text(), st.none(), st.floats()),
            "timeout": st.one_of(st.floats(), st.text(), st.booleans()),
            "columns": st.one_of(st.lists(st.text()), st.text(), st.integers()),
            "headers": st.one_of(st.dictionaries(st.text(), st.text()), st.integers()),
            "batch": st.one_of(st.integers(), st.dictionaries(st.text(), st.integers())),
            "limit": st.one_of(st.none(), st.text(), st.integers()),
            "unknown": st.integers(),
        },
    )
)
def test_whatever_is_written_becomes_options_or_problems_that_name_their_key(said):
    found = filled(said)
    wrong = {problem.key for problem in found.problems}
    assert all(key.split(".")[0] in said for key in wrong)
    for name in set(said) & set(option_fields(ExampleOptions)):
        assert name in wrong or name in found.config
    assert isinstance(found.options, ExampleOptions)
