"""Framings: any split of the bytes gives the same messages, and what is framed reads back."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import RejectedError
from bspump.formats.compression import compression_names, compressor, decompressor
from bspump.formats.framing import DelimiterFraming, LineFraming
from bspump.formats.framing_counted import (
    LengthPrefixFraming,
    NetstringFraming,
    OctetCountingFraming,
    _CountedFraming,
)

FRAMINGS = {
    "lines": lambda: LineFraming(max_bytes=8),
    "lines with cr": lambda: LineFraming(max_bytes=8, strip_cr=False),
    "one byte": lambda: DelimiterFraming(b"\0", max_bytes=8),
    "two bytes": lambda: DelimiterFraming(b"ab", max_bytes=8),
    "twice the same": lambda: DelimiterFraming(b"aa", max_bytes=8),
    "three bytes": lambda: DelimiterFraming(b"aba", max_bytes=8),
    "length of 1": lambda: LengthPrefixFraming(size=1, max_bytes=8),
    "length of 2": lambda: LengthPrefixFraming(size=2, order="little", max_bytes=8),
    "netstring": lambda: NetstringFraming(max_bytes=8),
    "octet counting": lambda: OctetCountingFraming(max_bytes=8),
}
# Few different bytes, so that delimiters, lengths and limits are met all the time.
STREAMS = st.lists(
    st.sampled_from(
        [b"a", b"b", b"\n", b"\r", b"\0", b"\1", b"3:", b",", b"2 ", b"9 ", b"1", b"x" * 7]
    )
).map(b"".join)


def follow(framing, pieces):
    """Return all that can be seen of a framing that was fed with `pieces`."""
    messages = [message for piece in pieces for message in framing.feed(piece)]
    was_broken = framing.is_broken
    messages += framing.close()
    errors = [str(error) for error in framing.take_rejected()]
    return messages, was_broken, framing.rejected_total, errors


@pytest.mark.parametrize("name", FRAMINGS)
@given(stream=STREAMS, data=st.data())
def test_any_split_of_the_bytes_gives_the_same_messages(name, stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    messages, was_broken, total, errors = follow(FRAMINGS[name](), [stream])
    found = follow(FRAMINGS[name](), pieces)
    assert found[:3] == (messages, was_broken, total)
    if name not in {"netstring", "octet counting"} and not name.startswith("length"):
        assert found[3] == errors
    assert all(len(message) <= 8 for message in messages)


@pytest.mark.parametrize("name", FRAMINGS)
@given(messages=st.lists(st.binary(min_size=1, max_size=8)), data=st.data())
def test_what_is_framed_reads_back(name, messages, data):
    framing = FRAMINGS[name]()
    if name == "lines":
        messages = [message.rstrip(b"\r") for message in messages]
    kept, stream = [], b""
    for message in messages:
        # What contains its own delimiter is refused, and only that.
        with contextlib.suppress(RejectedError):
            stream += framing.frame(message)
            kept.append(message)
    if isinstance(framing, _CountedFraming):
        assert kept == messages
    at = data.draw(st.integers(0, len(stream)))
    assert framing.feed(stream[:at]) + framing.feed(stream[at:]) == kept
    assert framing.close() == []
    assert framing.rejected_total == 0


@pytest.mark.parametrize("name", compression_names())
@given(data=st.data(), text=st.binary(max_size=300), piece_bytes=st.integers(1, 50))
def test_any_split_of_a_compressed_stream_expands_to_the_same(name, data, text, piece_bytes):
    cut = data.draw(st.integers(0, len(text)))
    packed = b""
    for member in (text[:cut], text[cut:]):
        engine = compressor(name)
        packed += engine.feed(member) + engine.finish()
    at = data.draw(st.integers(0, len(packed)))
    expand = decompressor(name, piece_bytes=piece_bytes)
    pieces = [*expand.feed(packed[:at]), *expand.feed(packed[at:])]
    expand.finish()
    assert b"".join(pieces) == text
    assert all(0 < len(piece) <= piece_bytes for piece in pieces)
