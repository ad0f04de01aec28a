from __future__ import annotations

import pytest

from bspump.abc.errors import ProcessingError
from bspump.postgresql.changes import ChangeAssembler
from bspump.postgresql.pgoutput import decode


def load_of(oid):
    return int if oid == 23 else bytes.decode


def events_of(assembler, messages):
    return [event for message in messages for event in assembler.feed(decode(message))]


def test_recorded_messages_become_events(recorded, large):
    assembler = ChangeAssembler(load_of)
    events = events_of(assembler, recorded)
    text = large.decode()
    assert [(e["operation"], e["key"], e["old"], e["new"], e["unchanged"]) for e in events] == [
        ("insert", {"id": 1}, None, {"id": 1, "name": "a", "doc": text}, []),
        ("insert", {"id": 2}, None, {"id": 2, "name": None, "doc": "é"}, []),
        ("update", {"id": 1}, None, {"id": 1, "name": "b"}, ["doc"]),
        ("update", {"id": 3}, {"id": 2}, {"id": 3, "name": None, "doc": "é"}, []),
        ("delete", {"id": 3}, {"id": 3}, None, []),
        (
            "update",
            {"id": 1, "name": "c", "doc": text},
            {"id": 1, "name": "b", "doc": text},
            {"id": 1, "name": "c", "doc": text},
            [],
        ),
        (
            "delete",
            {"id": 1, "name": "c", "doc": text},
            {"id": 1, "name": "c", "doc": text},
            None,
            [],
        ),
        ("truncate", None, None, None, []),
    ]
    assert [(e["xid"], e["sequence"]) for e in events] == [
        (727, 1),
        (727, 2),
        (728, 1),
        (728, 2),
        (728, 3),
        (730, 1),
        (731, 1),
        (732, 1),
    ]
    assert assembler.lsn == 0x152CD58
    assert assembler.events == 0


def test_the_position_is_the_last_commit_and_the_events_since(recorded):
    assembler = ChangeAssembler(load_of)
    events_of(assembler, recorded[:3])
    assert (assembler.lsn, assembler.events, assembler.is_between) == (0, 1, False)
    events_of(assembler, recorded[3:5])
    assert (assembler.lsn, assembler.events, assembler.is_between) == (0x152A3B8, 0, True)


def test_read_from_any_position_the_rest_is_the_same(recorded):
    whole = ChangeAssembler(load_of)
    starts = [(0, 0, 0)]
    events = []
    begin = 0
    for number, message in enumerate(recorded):
        events += whole.feed(decode(message))
        if whole.is_between:
            begin = number + 1
        starts.append((begin, whole.events, len(events)))
    for first, skip, done in starts:
        again = ChangeAssembler(load_of, lsn=0, skip=skip)
        # The server describes the tables anew to each reader.
        described = [message for message in recorded[:first] if message[:1] == b"R"]
        found = events_of(again, described + recorded[first:])
        assert found == events[done:]


def test_time_goes_on_only_where_nothing_is_to_be_skipped():
    assembler = ChangeAssembler(load_of, lsn=100)
    assembler.advance(150)
    assembler.advance(120)
    assert assembler.lsn == 150
    assembler = ChangeAssembler(load_of, lsn=100, skip=2)
    assembler.advance(150)
    assert assembler.lsn == 100


def test_a_change_without_a_transaction_or_a_table_is_an_error(recorded):
    with pytest.raises(ProcessingError, match="outside of any transaction"):
        events_of(ChangeAssembler(load_of), recorded[1:])
    with pytest.raises(ProcessingError, match="not described"):
        events_of(ChangeAssembler(load_of), [recorded[0], recorded[2]])
