"""Events and contexts as records: what is kept, what is left out, what is refused."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from bspump.abc.contexts import Copies
from bspump.abc.errors import RejectedError
from bspump.buffer.records import RecordCodec

PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.binary(), st.text()),
    lambda inner: st.one_of(
        st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(st.text(), inner)
    ),
    max_leaves=8,
)


@pytest.fixture
def left_out():
    return []


@pytest.fixture
def codec(left_out):
    return RecordCodec((), lambda key, value: left_out.append(key))


@settings(max_examples=40)
@given(st.lists(st.tuples(PLAIN, st.one_of(st.none(), st.dictionaries(st.text(), PLAIN)))))
def test_what_is_plain_comes_back(pairs):
    codec = RecordCodec((), lambda key, value: pytest.fail(key))
    events, contexts, unreadable = codec.decode([codec.encode(*pair) for pair in pairs])
    assert events == [event for event, _ in pairs]
    assert contexts == [context or {} for _, context in pairs]
    assert unreadable == 0


def test_an_event_that_is_not_plain_is_refused_and_its_place_is_named(codec):
    with pytest.raises(RejectedError, match=r"(?s)\['a'\]\[0\].*frozenset"):
        codec.encode({"a": [frozenset()]}, None)


def test_what_is_not_plain_in_a_context_is_left_out_and_told_once(codec, left_out):
    contexts = [{"peer": "a", "stream": object(), "in": {"deep": [object()]}, 7: 1}] * 3
    records = [codec.encode(b"x", context) for context in contexts]
    assert codec.decode(records)[1] == [{"peer": "a", 7: 1}] * 3
    assert left_out == ["stream", "in"]


def test_an_entry_that_was_asked_for_must_be_plain(left_out):
    codec = RecordCodec(["peer", "stream"], lambda key, value: left_out.append(key))
    record = codec.encode(b"x", {"peer": "a", "other": object()})
    assert codec.decode([record])[1] == [{"peer": "a"}]
    with pytest.raises(RejectedError, match=r"'stream'"):
        codec.encode(b"x", {"peer": "a", "stream": object()})
    assert left_out == []


def test_headers_become_a_dict_with_the_first_of_several_values(codec):
    headers = CIMultiDictProxy(CIMultiDict([("Accept", "a"), ("Accept", "b"), ("X-Kind", "k")]))
    context = {"headers": headers, "cookies": MappingProxyType({"a": "b"})}
    (found,) = codec.decode([codec.encode(b"", context)])[1]
    assert found == {
        "headers": {"Accept": "a", "X-Kind": "k"},
        "cookies": {"a": "b"},
    }
    assert type(found["headers"]) is dict


def test_neighbours_do_not_share_a_context(codec):
    records = [codec.encode(b"", each) for each in Copies({"peer": "a"}, 3)]
    nested = {"tags": ["a"]}
    records += [codec.encode(b"", nested), codec.encode(b"", nested)]
    _, contexts, _ = codec.decode(records)
    contexts[0]["peer"] = "b"
    contexts[3]["tags"].append("b")
    assert contexts[1:3] == [{"peer": "a"}] * 2
    assert contexts[4] == {"tags": ["a"]}


def test_a_context_that_has_changed_is_packed_anew(codec):
    context = {"n": 1, "list": [1]}
    records = [codec.encode(b"", context)]
    context["list"].append(2)
    records.append(codec.encode(b"", context))
    flat = {"n": 1}
    records.append(codec.encode(b"", flat))
    flat["n"] = 2
    records.append(codec.encode(b"", flat))
    expected = [{"n": 1, "list": [1]}, {"n": 1, "list": [1, 2]}, {"n": 1}, {"n": 2}]
    assert codec.decode(records)[1] == expected


def test_a_record_that_cannot_be_read_is_counted(codec):
    good = codec.encode({"a": 1}, None)
    broken = good[:-1]
    assert codec.decode([b"", broken, good, b"\x01\x00"]) == ([{"a": 1}], [{}], 3)
