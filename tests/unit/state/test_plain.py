"""Plain data as bytes."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import uuid

import msgspec
import pytest

from bspump.abc.errors import ConfigError
from bspump.state.plain import DEEPEST, decode, encode, encode_key

Point = collections.namedtuple("Point", "x y")
Colour = enum.IntEnum("Colour", "RED")


class Record(msgspec.Struct):
    a: int


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ({1}, "make it a list"),
        (frozenset(), "make it a list"),
        (bytearray(b""), "make it bytes"),
        (memoryview(b""), "express it by these"),
        (collections.Counter(), "make it a dict"),
        (collections.OrderedDict(), "make it a dict"),
        (Point(1, 2), "derived from, tuple"),
        (Colour.RED, "derived from, int"),
        (Text(), "derived from, str"),
        (Record(1), "express it by these"),
        (datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), "a time by its Unix seconds"),
        (decimal.Decimal(1), "express it by these"),
        (uuid.uuid4(), "express it by these"),
        (object, "express it by these"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(value, advice):
    for given in (value, [value], (1, [value]), {"a": {2: value}}):
        with pytest.raises(ConfigError, match=advice) as caught:
            encode(given, of="state of 'P'")
        assert str(caught.value).startswith("state of 'P': it is not plain data")
        assert f"{type(value).__module__}.{type(value).__qualname__}" in str(caught.value)


def test_the_place_is_named_and_long_keys_are_cut():
    with pytest.raises(ConfigError, match=r"data at \['a'\]\[0\]\[\(1, 2\)\]"):
        encode({"a": [{(1, 2): set()}]}, of="it")
    with pytest.raises(ConfigError, match=r"data at  key \(1, frozenset\(\)\)"):
        encode({(1, frozenset()): 1}, of="it")
    with pytest.raises(ConfigError) as caught:
        encode({"k" * 10_000: set()}, of="it")
    assert len(str(caught.value)) < 1000


def nested(depth, wrap):
    value = None
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"k": v}])
@pytest.mark.parametrize("inmost", [None, 2**70])
def test_nesting_has_a_limit_within_which_everything_can_be_read(wrap, inmost):
    value = inmost
    for _ in range(DEEPEST - 1):
        value = wrap(value)
    assert decode(encode(value, of="it")) == value
    with pytest.raises(ConfigError, match="nested too deep"):
        encode(wrap(wrap(wrap(value))), of="it")
    with pytest.raises(ConfigError, match="nested too deep"):
        encode(nested(100_000, wrap), of="it")


def test_a_key_may_be_nested_only_so_deep():
    with pytest.raises(ConfigError, match="nested too deep"):
        encode_key(nested(DEEPEST * 2, lambda v: (v,)), of="it")


@pytest.mark.parametrize(
    "damaged", [b"", b"\xc1", b"\x92\x01", b"\xd4\x63\x01", b"\xc7\x01\x04\xc0"]
)
def test_what_is_damaged_is_an_error(damaged):
    with pytest.raises((ValueError, TypeError)):
        decode(damaged)
