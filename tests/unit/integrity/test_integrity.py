from __future__ import annotations

import hashlib
import json
from functools import partial

import pytest

from bspump.abc.errors import RejectedError, UnknownNameError
from bspump.integrity import IntegrityChecker, IntegrityEnricher
from bspump.testing import Harness, run_virtual

EVENTS = [{"b": 1, "a": "č"}, {"a": 2}, {}, {"a": [1, {"z": 1, "y": 2}]}]


def through(part, events, before=None):
    async def main():
        async with Harness() as harness:
            pipeline = harness.chain(part, config={"on_error": "skip"})
            name = getattr(part, "func", part).__name__
            pipeline.locate_processor(name).PreviousHash = before
            harness.send(events)
            await harness.settle()
            return harness.out(), [failure.error for failure in harness.errors]

    return run_virtual(main())


def test_each_event_carries_its_hash_and_that_of_the_one_before():
    out, errors = through(IntegrityEnricher, EVENTS)
    assert errors == []
    before = None
    for event, linked in zip(EVENTS, out, strict=True):
        rest = {key: value for key, value in linked.items() if key != "_id"}
        text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert linked["_id"] == hashlib.sha256(text.encode()).hexdigest()
        assert linked.get("_prev_id") == before
        assert len(linked["_s"]) == 3
        assert linked.items() >= event.items()
        before = linked["_id"]


def test_the_event_that_came_in_is_left_alone():
    event = {"a": 1, "_id": "mine", "_prev_id": "mine"}
    out, _ = through(IntegrityEnricher, [event])
    assert event == {"a": 1, "_id": "mine", "_prev_id": "mine"}
    assert "_prev_id" not in out[0]
    assert out[0]["_id"] != "mine"


def test_bytes_are_hashed_too_and_what_cannot_be_leaves_no_gap():
    out, errors = through(IntegrityEnricher, [{"a": b"\xff"}, {"a": object()}, {"a": 1}])
    assert [type(error) for error in errors] == [RejectedError]
    assert out[1]["_prev_id"] == out[0]["_id"]


def test_an_older_chain_may_be_continued():
    out, _ = through(IntegrityEnricher, [{}], before="abc")
    assert out[0]["_prev_id"] == "abc"


def test_names_algorithm_and_salt_are_options():
    config = {"algorithm": "md5", "hash_key": "h", "prev_hash_key": "p", "salt_length": "0"}
    out, _ = through(partial(IntegrityEnricher, config=config), [{"a": 1}, {"a": 1}])
    assert out[0] == {"a": 1, "h": hashlib.md5(b'{"a":1}').hexdigest()}  # noqa: S324
    assert out[1]["p"] == out[0]["h"]


def test_an_unknown_algorithm_is_an_error_of_the_configuration():
    with pytest.raises(UnknownNameError, match="did you mean 'sha256'"):
        through(partial(IntegrityEnricher, config={"algorithm": "SHA265"}), [])


def test_a_whole_chain_passes_from_any_link_on():
    chain, _ = through(IntegrityEnricher, EVENTS)
    for begin in range(len(chain)):
        assert through(IntegrityChecker, chain[begin:]) == (chain[begin:], [])


def test_a_changed_event_is_refused_and_the_chain_behind_it_too():
    chain, _ = through(IntegrityEnricher, EVENTS)
    changed = [chain[0], {**chain[1], "a": 3}, *chain[2:]]
    out, errors = through(IntegrityChecker, changed)
    assert out == [chain[0], chain[3]]
    assert [type(error) for error in errors] == [RejectedError] * 2
    assert "the event was changed" in str(errors[0])
    assert "events are missing before this one" in str(errors[1])


@pytest.mark.parametrize("gone", [1, 2])
def test_a_missing_event_is_noticed(gone):
    chain, _ = through(IntegrityEnricher, EVENTS)
    out, errors = through(IntegrityChecker, [*chain[:gone], *chain[gone + 1 :]])
    assert out == [*chain[:gone], *chain[gone + 2 :]]
    assert ["events are missing before this one" in str(error) for error in errors] == [True]


def test_an_event_without_a_hash_is_refused():
    out, errors = through(IntegrityChecker, [{"a": 1}])
    assert out == []
    assert "got None" in str(errors[0])
