"""Which messages are known to have been passed on."""

from __future__ import annotations

import pytest

pytest.importorskip("aiormq")

from hypothesis import given
from hypothesis import strategies as st

from bspump.amqp.known import KnownMessages


def taken(limit=10, ids="abcd", consumer="c1"):
    known = KnownMessages(limit)
    for tag, id in enumerate(ids, start=1):
        known.take(consumer, tag, id, is_refused=id == "d")
    return known


def at(tag, consumer="c1"):
    return {"consumer": consumer, "tag": tag}


def test_a_message_is_known_when_it_was_passed_on():
    known = taken()
    known.pass_on(None)
    assert len(known) == 0
    known.pass_on(at(2))
    assert [id for id in "abcd" if id in known] == ["a", "b"]
    known.pass_on(at(4))
    assert [known.is_refused(id) for id in "abcd"] == [False, False, False, True]


def test_what_a_new_consumer_takes_is_not_known_by_the_position_of_the_old_one():
    known = taken()
    known.pass_on(at(3))
    known.let_go()
    known.take("c2", 1, "d", is_refused=False)
    known.pass_on(at(3))
    assert "d" not in known
    known.pass_on(at(1, "c2"))
    assert "d" in known


def test_one_that_has_come_again_is_forgotten_last():
    known = taken(limit=3, ids="abcab")
    known.pass_on(at(5))
    known.take("c1", 6, "x", is_refused=False)
    known.pass_on(at(6))
    assert [id for id in "abcx" if id in known] == ["a", "b", "x"]


def test_a_smaller_limit_keeps_the_newest():
    known = taken()
    known.pass_on(at(4))
    smaller = KnownMessages(2)
    smaller.restore(known.state())
    assert smaller.state() == {"c": False, "d": True}


@given(st.integers(1, 20), st.lists(st.integers(0, 1000), unique=True, max_size=200), st.data())
def test_a_broker_that_keeps_to_the_prefetch_brings_nothing_again_that_is_not_known(
    prefetch, ids, data
):
    """The broker may bring again whatever it has delivered and not seen an acknowledgement of."""
    known, consumer, waiting, held, passed = KnownMessages(2 * prefetch), 0, list(ids), [], []
    while waiting:
        count = data.draw(st.integers(1, max(1, prefetch - len(held))))
        for id in waiting[:count]:
            if id in passed:
                assert str(id) in known
            known.take(str(consumer), len(held) + 1, str(id), is_refused=False)
            held.append(id)
        del waiting[:count]
        known.pass_on(at(len(held), str(consumer)))
        passed += [id for id in held if id not in passed]
        if len(held) == prefetch or data.draw(st.booleans()):
            # The acknowledgements have arrived at the broker, or the connection is lost.
            if data.draw(st.integers(0, 3)) == 0:
                waiting = held + waiting
            known.let_go()
            held, consumer = [], consumer + 1
