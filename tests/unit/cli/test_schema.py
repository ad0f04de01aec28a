"""The JSON Schema of options."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from msgspec import Meta

from bspump.abc.options import Duration, Options, RetryOptions
from bspump.cli.schema import json_schema


class Start(enum.Enum):
    LATEST = "latest"


class ExampleOptions(Options, frozen=True, kw_only=True):
    topic: Annotated[str, Meta(min_length=1, description="What to read.")]
    start: Literal["latest", "earliest"] = "latest"
    begin: Start = Start.LATEST
    age: Duration = 60.0
    password: str = "unknown"
    headers: dict[str, str] = {}
    retry: RetryOptions = RetryOptions(attempts=3)


SCHEMA = json_schema(ExampleOptions)
PROPERTIES = SCHEMA["properties"]


def test_a_text_has_its_bounds_and_description():
    assert PROPERTIES["topic"] == {"type": "string", "minLength": 1, "description": "What to read."}
    assert SCHEMA["required"] == ["topic"]


def test_whatever_is_no_text_may_be_given_as_one():
    assert PROPERTIES["age"]["anyOf"] == [{"type": "number", "minimum": 0}, {"type": "string"}]
    assert PROPERTIES["age"]["default"] == 60.0


def test_a_choice_lists_what_can_be_chosen():
    assert PROPERTIES["start"]["anyOf"][0]["enum"] == ["earliest", "latest"]
    assert PROPERTIES["begin"]["anyOf"][0]["enum"] == ["latest"]
    assert PROPERTIES["begin"]["default"] == "latest"


def test_nested_options_have_dots_or_are_objects():
    assert PROPERTIES["retry.attempts"]["default"] == 3
    assert PROPERTIES["retry"]["properties"]["attempts"] == PROPERTIES["retry.attempts"]


def test_unknown_keys_are_not_allowed_but_keys_of_a_mapping_are():
    assert SCHEMA["additionalProperties"] is False
    assert PROPERTIES["retry"]["additionalProperties"] is False
    assert SCHEMA["patternProperties"] == {"^headers[.]": {}}


def test_the_default_of_a_secret_is_not_shown():
    assert "unknown" not in str(SCHEMA)
