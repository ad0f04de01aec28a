"""The errors: what they say, what they carry, and that they survive copying."""

from __future__ import annotations

import copy
import pickle

import pytest

from bspump.abc import errors
from bspump.abc.errors import (
    ConfigError,
    ConfigErrors,
    DuplicateNameError,
    MissingExtraError,
    OptionError,
    PartialWriteError,
    RejectedError,
    TransientError,
    UnknownNameError,
    nearest,
)

OPTION = OptionError(
    "pump.conf:3",
    "pipeline:A:B",
    "max_evnts",
    expected="x",
    got="y",
    known=["max_events", "max_age"],
)
EXAMPLES = [
    errors.PumpError("text"),
    ConfigError("text"),
    OPTION,
    UnknownNameError("connection", "kafka-prd", used_by="sink 'K'", known=["kafka-prod", "redis"]),
    DuplicateNameError("pipeline", "A", first="A()", second="B()"),
    MissingExtraError("cronsim", "cron"),
    ConfigErrors([ConfigError("one"), OPTION]),
    errors.ProcessingError("text"),
    errors.TransferError("text"),
    errors.NotConnectedError("text"),
    TransientError("busy", retry_after_s=3.0),
    RejectedError("text"),
    PartialWriteError({4: RejectedError("no"), 1: TransientError("later", retry_after_s=2.0)}),
    errors.ExhaustedError("text"),
    errors.CrashError("text"),
]


def test_the_examples_are_all_errors_there_are():
    defined = {cls for cls in vars(errors).values() if isinstance(cls, type)}
    assert {type(error) for error in EXAMPLES} == {
        cls for cls in defined if issubclass(cls, errors.PumpError)
    }


def _facts(error):
    return {
        name: [str(inner) for inner in fact] if isinstance(fact, tuple) else str(fact)
        for name, fact in vars(error).items()
    }


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("copied", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])  # noqa: S301
def test_an_error_survives_copying_and_pickling_with_its_facts(error, copied):
    again = copied(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert _facts(again) == _facts(error)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ConfigError("x"), ValueError),
        (EXAMPLES[3], LookupError),
        (EXAMPLES[4], RuntimeError),
        (EXAMPLES[5], ImportError),
        (errors.ProcessingError("x"), RuntimeError),
    ],
)
def test_errors_are_also_what_programs_catch_by_habit(error, builtin):
    assert isinstance(error, builtin)


def test_an_option_error_says_where_what_and_what_is_near():
    assert str(OPTION).splitlines() == [
        "pump.conf:3: [pipeline:A:B] max_evnts: the value is not valid [C002]",
        "  expected: x",
        "  got: y",
        "  did you mean 'max_events'?",
    ]


def test_an_unknown_name_lists_what_there_is():
    assert str(EXAMPLES[3]).splitlines() == [
        "connection 'kafka-prd' is not defined [C012]",
        "  used by: sink 'K'",
        "  defined: 'kafka-prod', 'redis'",
        "  did you mean 'kafka-prod'?",
    ]
    nothing = UnknownNameError("connection", "x", used_by="y")
    assert "defined: none" in str(nothing)


def test_a_missing_extra_says_what_to_install():
    assert "pip install 'bspump[cron]'" in str(EXAMPLES[5])


def test_several_errors_are_shown_together():
    text = str(EXAMPLES[6])
    assert text.startswith("2 configuration errors [C000]\none\npump.conf:3:")
    assert str(ConfigErrors([OPTION])).startswith("1 configuration error [C000]")


def test_a_partial_write_sorts_its_events():
    error = EXAMPLES[12]
    assert isinstance(error, PartialWriteError)
    assert (error.rejected, error.transient, error.retry_after_s) == ([4], [1], 2.0)
    assert str(PartialWriteError({1: RejectedError("no")})).startswith("1 event was not written")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("max_evnts", "max_events"),
        ("MAX_EVENTS", "max_events"),
        ("Topic", None),
        ("", None),
    ],
)
def test_the_nearest_name_does_not_depend_on_case(name, found):
    assert nearest(name, ["max_events", "max_age"]) == found
