"""Plain data comes back exactly, and keys that are equal are one key."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ConfigError
from bspump.state.plain import decode, encode, encode_all, encode_key, encode_keys
from bspump.testing.contracts.state_target import ODD, exactly

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.binary(max_size=20),
    st.text(st.characters(exclude_categories=()), max_size=20),
)
# What is not equal to itself is no key that could be found again.
KEY_SCALARS = SCALARS.filter(lambda value: repr(value) != "nan")
KEYS = st.recursive(KEY_SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_data_comes_back_with_all_its_types_and_in_its_order(value):
    assert exactly(decode(encode(value, of="it"))) == exactly(value)


@given(KEYS, KEYS)
def test_keys_are_the_same_bytes_if_and_only_if_they_are_equal(one, other):
    assert (encode_key(one, of="it") == encode_key(other, of="it")) == ({one: 1} == {other: 1})


@given(KEYS)
def test_a_key_comes_back_as_one_that_is_equal(key):
    found = decode(encode_key(key, of="it"))
    assert exactly(found) == exactly(decode(encode_key(found, of="it")))
    assert found == key


def one_by_one(encode_one, values):
    try:
        return [encode_one(value, of="it") for value in values]
    except ConfigError as error:
        return str(error)


def together(encode_many, values):
    try:
        return encode_many(values, of="it")
    except ConfigError as error:
        return str(error)


SIMPLE = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(KEY_SCALARS, inner, max_size=4)
    ),
    max_leaves=10,
)
PERHAPS_ODD = st.recursive(
    st.one_of(SCALARS, st.sampled_from(ODD)),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(KEY_SCALARS, inner, max_size=4)),
    max_leaves=10,
)


@given(st.one_of(st.lists(SIMPLE), st.lists(PLAIN), st.lists(PERHAPS_ODD)))
def test_many_values_become_the_same_bytes_as_each_of_them(values):
    assert together(encode_all, values) == one_by_one(encode, values)


@given(st.lists(st.one_of(KEYS, st.integers(), st.text(), st.just(frozenset()))))
def test_many_keys_become_the_same_bytes_as_each_of_them(keys):
    assert together(encode_keys, keys) == one_by_one(encode_key, keys)


def test_what_contains_itself_many_times_is_refused_soon():
    endless = []
    endless += [endless] * 1000
    assert "too deep" in together(encode_all, [endless])


@given(st.binary(max_size=100))
def test_damaged_bytes_do_no_harm(data):
    with contextlib.suppress(ValueError, TypeError):
        decode(data)
