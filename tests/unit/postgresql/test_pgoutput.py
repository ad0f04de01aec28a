from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ProcessingError
from bspump.postgresql.pgoutput import (
    UNCHANGED,
    Begin,
    Column,
    Commit,
    Delete,
    Insert,
    Relation,
    Truncate,
    Update,
    decode,
)

OID = 16384


def test_recorded_messages_are_read_as_they_were_meant(recorded, large):
    begin, relation, first, second, commit, _, updated, moved, deleted, *rest = map(
        decode, recorded
    )
    assert begin == Begin(0x152A388, begin.committed_us, 727)
    assert relation == Relation(
        OID,
        "public",
        "items",
        "d",
        (Column("id", 23, True), Column("name", 25, False), Column("doc", 25, False)),
    )
    assert first == Insert(OID, [b"1", b"a", large])
    assert second == Insert(OID, [b"2", None, "é".encode()])
    assert commit == Commit(0x152A388, 0x152A3B8, begin.committed_us)
    assert updated == Update(OID, None, False, [b"1", b"b", UNCHANGED])
    assert moved == Update(OID, [b"2", None, None], False, [b"3", None, "é".encode()])
    assert deleted == Delete(OID, [b"3", None, None], False)
    full = [message for message in rest if isinstance(message, Update | Delete)]
    assert full == [
        Update(OID, [b"1", b"b", large], True, [b"1", b"c", UNCHANGED]),
        Delete(OID, [b"1", b"c", large], True),
    ]
    assert Truncate((OID,), True, True) in rest


def test_times_are_counted_from_1970(recorded):
    begin = decode(recorded[0])
    assert isinstance(begin, Begin)
    # 2026-11-25, when it was recorded.
    assert 1_795_564_800_000_000 <= begin.committed_us < 1_795_651_200_000_000


@pytest.mark.parametrize(
    "message", [b"O\x00\x00\x00\x00\x00\x00\x00\x01origin\x00", b"Y\x00\x00@\x00public\x00mood\x00"]
)
def test_what_says_nothing_about_rows_is_ignored(message):
    assert decode(message) is None


def test_a_cut_message_is_an_error_and_nothing_else(recorded):
    for message in recorded:
        for length in range(len(message)):
            with pytest.raises(ProcessingError):
                decode(message[:length])


@given(st.binary())
def test_any_bytes_are_a_message_or_an_error(message):
    with contextlib.suppress(ProcessingError):
        decode(message)
