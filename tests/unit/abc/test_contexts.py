"""Copies of one context behave as a list of them, and are made only when somebody looks."""

from __future__ import annotations

import gc

import pytest

from bspump.abc.contexts import Copies


def test_copies_are_as_many_as_asked_for_and_each_is_its_own():
    contexts = Copies({"peer": "a"}, 3)
    contexts[1]["seen"] = True
    assert len(contexts) == 3
    assert list(contexts) == [{"peer": "a"}, {"peer": "a", "seen": True}, {"peer": "a"}]
    assert contexts[1] is contexts[-2]


def test_what_was_written_into_a_slice_stays():
    contexts = Copies({}, 3)
    for context in contexts[1:]:
        context["seen"] = True
    assert list(contexts) == [{}, {"seen": True}, {"seen": True}]


def test_there_is_no_copy_beyond_the_last_one():
    with pytest.raises(IndexError):
        Copies({}, 2)[2]


def test_going_through_once_makes_copies_on_the_way_and_keeps_none():
    template = {"peer": "a"}
    contexts = Copies(template, 2)
    first = next(iter(contexts.once()))
    assert (first, first is template) == ({"peer": "a"}, False)
    first["seen"] = True
    assert list(contexts.once()) == [template, template]


def test_going_through_once_meets_what_has_been_written():
    contexts = Copies({}, 2)
    contexts[1]["seen"] = True
    assert list(contexts.once()) == [{}, {"seen": True}]


@pytest.mark.parametrize("is_made", [False, True])
def test_a_part_has_its_share(is_made):
    contexts = Copies({"peer": "a"}, 5)
    if is_made:
        contexts[3]["seen"] = True
    seen = {"seen": True} if is_made else {}
    assert list(contexts.part(2, 4)) == [{"peer": "a"}, {"peer": "a", **seen}]


def test_many_copies_gone_through_once_are_never_there_at_the_same_time():
    template = {"stream": object()}
    before = len(gc.get_referrers(template["stream"]))
    most = 0
    for _ in Copies(template, 10).once():
        most = max(most, len(gc.get_referrers(template["stream"])))
    assert most <= before + 1
