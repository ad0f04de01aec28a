"""Only what has changed."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.keyed import ChangeDetector
from bspump.testing import Harness, virtual_time

NAN = float("nan")


async def changes(stream, **arguments):
    part = partial(ChangeDetector, key="id", **arguments)
    async with Harness() as harness:
        harness.chain(part)
        harness.send(stream)
        await harness.finish()
        return harness.out()


@virtual_time
async def test_it_is_said_what_was_and_what_is():
    stream = [
        {"id": 1, "state": "on", "x": 1},
        {"id": 1, "state": "on", "x": 2},
        {"id": 1, "state": "off", "x": 3},
        {"id": 1, "x": 4},
    ]
    assert await changes(stream, fields=["state"]) == [
        {**stream[0], "changes": {"state": {"new": "on"}}},
        {**stream[2], "changes": {"state": {"old": "on", "new": "off"}}},
        {**stream[3], "changes": {"state": {"old": "off"}}},
    ]


@virtual_time
async def test_without_a_choice_all_fields_are_watched_but_the_key_and_those_ignored():
    stream = [{"id": 1, "a": 1, "at": 1}, {"id": 1, "a": 1, "at": 2}, {"id": 1, "a": 2, "at": 3}]
    found = await changes(stream, config={"ignore": "at", "into": ""})
    assert found == [stream[0], stream[2]]


@pytest.mark.parametrize(
    ("config", "passing"),
    [
        ({}, [10, 10.4, 10.8, 11.2, 11.0]),
        # A slow drift adds up until it counts; going back by a little does not.
        ({"min_change.v": 1}, [10, 11.2]),
        ({"min_change_ratio.v": "0.05"}, [10, 10.8]),
    ],
)
@virtual_time
async def test_a_number_has_to_change_by_enough(config, passing):
    stream = [{"id": 1, "v": v} for v in (10, 10.4, 10.8, 11.2, 11.0)]
    found = await changes(stream, fields="v", config=config)
    assert [event["v"] for event in found] == passing


@pytest.mark.parametrize(
    ("one", "other", "is_change"),
    [
        (NAN, NAN, False),
        (NAN, 1.0, True),
        (1.0, NAN, True),
        (None, 1.0, True),
        (1, 1.0, False),
        ([1], [1], False),
        ([1], [2], True),
    ],
)
@virtual_time
async def test_odd_values_are_compared_as_one_expects(one, other, is_change):
    stream = [{"id": 1, "v": one}, {"id": 1, "v": other}]
    found = await changes(stream, fields="v", config={"min_change.v": 0.5})
    assert len(found) == 1 + is_change


@virtual_time
async def test_what_becomes_of_an_event_later_does_not_change_what_is_remembered():
    part = partial(ChangeDetector, fields="tags", key="id")

    def spoil(context, event):
        event["tags"].append("spoilt")
        return event

    async with Harness() as harness:
        pipeline = harness.chain(part, spoil)
        for _ in range(3):
            await pipeline.process({"id": 1, "tags": ["a"]})
        assert len(harness.out()) == 1


@virtual_time
async def test_the_first_event_of_a_key_may_only_be_remembered():
    stream = [{"id": 1, "v": 1}, {"id": 1, "v": 2}]
    found = await changes(stream, fields="v", config={"first": "no"})
    assert found == [{"id": 1, "v": 2, "changes": {"v": {"old": 1, "new": 2}}}]


@virtual_time
async def test_after_the_ttl_a_key_is_a_new_one(counted):
    async with Harness() as harness:
        part = partial(ChangeDetector, fields="v", key="id", config={"ttl": "10s"})
        pipeline = harness.chain(part)
        for wait_s in (5, 11, 0):
            await pipeline.process({"id": 1, "v": 1})
            await harness.advance(wait_s)
        assert len(harness.out()) == 2
        assert counted(pipeline.locate_processor("ChangeDetector")) == {"unchanged": 1}


@virtual_time
async def test_beyond_max_keys_each_event_goes_on_as_a_first_one():
    stream = [{"id": n, "v": 1} for n in (1, 2, 2, 1)]
    found = await changes(stream, fields="v", config={"max_keys": 1})
    assert [event["id"] for event in found] == [1, 2, 2]
    assert found[2]["changes"] == {"v": {"new": 1}}


@virtual_time
async def test_an_event_that_is_no_mapping_is_its_own_error():
    async with Harness() as harness:
        pipeline = harness.chain(
            partial(ChangeDetector, key=lambda context, event: 1), config={"on_error": "skip"}
        )
        await pipeline.process(7)
        await pipeline.process({"v": 1})
        assert len(harness.errors) == 1
        assert len(harness.out()) == 1
