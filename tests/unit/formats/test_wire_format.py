"""Which schema of a registry a message was written with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import RejectedError
from bspump.formats.wire_format import header, id_of, read_indexes, write_indexes


@given(st.integers(0, 2**32 - 1), st.binary())
def test_an_id_comes_back(id_, rest):
    assert id_of(header(id_) + rest) == id_


@pytest.mark.parametrize("message", [b"", b"\0", b"\0\0\0\1", b"\1\0\0\0\1", b'{"a": 1}'])
def test_what_has_another_format_has_no_id(message):
    assert id_of(message) is None


@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=20), st.binary())
def test_indexes_come_back(indexes, rest):
    assert read_indexes(write_indexes(tuple(indexes)) + rest) == (tuple(indexes), rest)


# What the serializers of others write.
@pytest.mark.parametrize(
    ("indexes", "expected"),
    [((0,), b"\x00"), ((1,), b"\x02\x02"), ((0, 0), b"\x04\x00\x00"), ((64,), b"\x02\x80\x01")],
)
def test_indexes_are_written_as_others_do(indexes, expected):
    assert write_indexes(indexes) == expected


def test_the_first_type_may_be_written_in_full():
    assert read_indexes(b"\x02\x00rest") == ((0,), b"rest")


@pytest.mark.parametrize("payload", [b"", b"\x04\x02", b"\x01", b"\x80" * 9, b"\xff\xff\x03"])
def test_what_has_no_indexes_is_rejected(payload):
    with pytest.raises(RejectedError, match="message indexes"):
        read_indexes(payload)
