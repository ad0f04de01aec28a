from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.common.copying import copied

json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@dataclass
class Point:
    tags: list[str]


class Reading(msgspec.Struct):
    tags: list[str]


def containers(value):
    if isinstance(value, dict | list):
        yield id(value)
        for each in value.values() if isinstance(value, dict) else value:
            yield from containers(each)


@given(json_like)
def test_a_copy_is_equal_and_shares_nothing_that_can_change(event):
    made = copied(event)
    assert made == event
    assert not set(containers(made)) & set(containers(event))


@pytest.mark.parametrize("event", [Point(["a"]), Reading(["a"]), ({"tags": ["a"]},)])
def test_other_objects_are_copied_deeply(event):
    made = copied({"event": event})["event"]
    assert made == event
    inner = made[0]["tags"] if isinstance(made, tuple) else made.tags
    assert inner is not (event[0]["tags"] if isinstance(event, tuple) else event.tags)


@pytest.mark.parametrize("event", [b"bytes", "text", 1, datetime.now(UTC), None])
def test_what_cannot_change_is_its_own_copy(event):
    assert copied(event) is event


def test_an_event_that_contains_itself_is_copied():
    event = {}
    event["self"] = event
    made = copied(event)
    assert made is not event
    assert made["self"] is made
