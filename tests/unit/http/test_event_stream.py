"""The format of server-sent events, split in every way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.http.event_stream import EventStreamParser, Message


@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        ("data: a\n\n", [("message", "a", "")]),
        ("data:a\r\n\r\n", [("message", "a", "")]),
        ("data:  a\r\r", [("message", " a", "")]),
        ("\ufeffdata: a\n\n", [("message", "a", "")]),
        ("data: a\ndata\ndata: b\n\n", [("message", "a\n\nb", "")]),
        ("data\n\n", [("message", "", "")]),
        (": comment\n\ndata: a\n\n", [("message", "a", "")]),
        ("event: e\n\ndata: a\n\n", [("message", "a", "")]),
        ("event: e\ndata: a\n\ndata: b\n\n", [("e", "a", ""), ("message", "b", "")]),
        ("id: 1\ndata: a\n\ndata: b\n\n", [("message", "a", "1"), ("message", "b", "1")]),
        ("id: 1\ndata: a\n\nid\ndata: b\n\n", [("message", "a", "1"), ("message", "b", "")]),
        ("id: 1\0\ndata: a\n\n", [("message", "a", "")]),
        ("unknown: x\ndata: a\n\n", [("message", "a", "")]),
        ("data: incomplete\n", []),
        ("", []),
    ],
)
def test_a_stream_is_read_as_the_standard_says(stream, messages):
    assert EventStreamParser().feed(stream.encode()) == [Message(*m) for m in messages]


@given(
    st.lists(
        st.text("ab \n\r:", max_size=6) | st.sampled_from(["data: x", "id: 7", "\n\n", "\r\n"]),
        max_size=20,
    ),
    st.data(),
)
def test_the_split_of_the_bytes_does_not_matter(pieces, data):
    stream = "".join(pieces).encode()
    # The end says whether a last carriage return stands alone.
    whole = EventStreamParser()
    expected = whole.feed(stream + b"\n")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    split = EventStreamParser()
    found = [message for part in [*parts, b"\n"] for message in split.feed(part)]
    assert (found, split.last_event_id) == (expected, whole.last_event_id)


@pytest.mark.parametrize(
    ("line", "retry_ms"), [("3000", 3000), ("0", 0), ("-1", None), ("1s", None), ("²", None)]
)
def test_only_digits_say_when_to_come_back(line, retry_ms):
    parser = EventStreamParser()
    parser.feed(f"retry: {line}\n\n".encode())
    assert parser.retry_ms == retry_ms


def test_the_id_counts_when_its_message_is_complete():
    parser = EventStreamParser("before")
    parser.feed(b"id: 9\ndata: x\n")
    assert parser.last_event_id == "before"
    parser.feed(b"\n")
    assert parser.last_event_id == "9"


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_message_that_is_too_long_spares_its_neighbours_and_the_memory(step):
    parser = EventStreamParser(max_bytes=20)
    stream = b"data: a\n\ndata: " + b"x" * 200 + b"\nid: 5\n\nid: " + b"9" * 99 + b"\n\ndata: b\n\n"
    found = []
    for i in range(0, len(stream), step):
        found += parser.feed(stream[i : i + step])
    assert [message.data for message in found] == ["a", "b"]
    assert found[-1].id == "5"
    assert len(parser.rejected) == 2
