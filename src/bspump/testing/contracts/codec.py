"""What every codec promises."""

# ruff: noqa: S101 - a contract asserts

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bspump.abc.codec import Codec
from bspump.abc.errors import RejectedError
from bspump.formats.framing import LineFraming
from bspump.formats.registry import decode_block

from .base import Contract, does_not_apply


@dataclass(frozen=True, kw_only=True)
class CodecTarget:
    """A codec to be tested, and what to test it with.

    Args:
        codec: the codec.
        events: events that it can express, odd ones too: empty, very large, all of Unicode.
        golden: pairs of an event and its message, byte by byte.
        broken: messages that it must reject.
        inexpressible: events that it must reject.
        has_lines: its messages contain no newline, so that they can stand on lines.
    """

    codec: Codec
    events: Sequence[Any]
    golden: Sequence[tuple[Any, bytes]] = ()
    broken: Sequence[bytes] = ()
    inexpressible: Sequence[Any] = ()
    has_lines: bool = True


class CodecContract(Contract[CodecTarget]):
    """What every codec promises. Subclass it and provide the fixture `target`."""

    def test_every_event_survives_the_round_trip(self, target: CodecTarget) -> None:
        codec = target.codec
        assert [codec.decode(codec.encode(event)) for event in target.events] == list(target.events)

    def test_messages_are_what_the_format_says_byte_by_byte(self, target: CodecTarget) -> None:
        if not target.golden:
            does_not_apply("there are no golden messages")
        for event, message in target.golden:
            assert target.codec.encode(event) == message
            assert target.codec.decode(message) == event

    def test_encoding_leaves_the_event_alone(self, target: CodecTarget) -> None:
        before = copy.deepcopy(list(target.events))
        if target.has_lines:
            target.codec.encode_lines(target.events)
        for event in target.events:
            target.codec.encode(event)
        assert list(target.events) == before

    def test_lines_are_messages_that_end_in_a_newline(self, target: CodecTarget) -> None:
        _check_lines(target)
        messages = [target.codec.encode(event) for event in target.events]
        assert target.codec.encode_lines(target.events) == b"".join(m + b"\n" for m in messages)

    def test_lines_decode_to_what_single_messages_decode_to(self, target: CodecTarget) -> None:
        _check_lines(target)
        codec = target.codec
        block = codec.encode_lines(target.events)
        expected = [codec.decode(codec.encode(event)) for event in target.events]
        assert codec.decode_lines(block) == expected
        assert codec.decode_lines(block.removesuffix(b"\n")) == expected

    def test_lines_can_be_cut_from_a_stream_wherever_it_is_split(self, target: CodecTarget) -> None:
        _check_lines(target)
        codec = target.codec
        block = codec.encode_lines(target.events)
        for size in (1, 2, 7, 100, len(block) + 1):
            framing = LineFraming(max_bytes=len(block) + 1, strip_cr=False)
            lines = [
                line
                for start in range(0, len(block), size)
                for line in framing.feed(block[start : start + size])
            ]
            assert [codec.decode(line) for line in [*lines, *framing.close()]] == target.events

    def test_nothing_encodes_to_nothing_and_empty_lines_are_skipped(
        self, target: CodecTarget
    ) -> None:
        _check_lines(target)
        codec, event = target.codec, target.events[0]
        assert codec.encode_lines([]) == b""
        assert codec.decode_lines(b"") == []
        assert codec.decode_lines(b"\n\n") == []
        line = codec.encode_lines([event])
        assert codec.decode_lines(b"\n" + line + b"\n" + line) == [event, event]

    def test_a_broken_message_is_rejected(self, target: CodecTarget) -> None:
        if not target.broken:
            does_not_apply("it takes every message")
        for message in target.broken:
            _check_rejected(target.codec.decode, message)

    def test_a_broken_line_spoils_only_itself(self, target: CodecTarget) -> None:
        _check_lines(target)
        if not target.broken:
            does_not_apply("it takes every message")
        codec, lines = target.codec, [target.codec.encode(event) for event in target.events]
        for message in target.broken:
            if b"\n" in message or not message.strip():
                continue
            block = b"\n".join([*lines, message, *lines])
            _check_rejected(codec.decode_lines, block)
            events, broken = decode_block(codec, block)
            assert events == [*target.events, *target.events]
            assert [line for line, _ in broken] == [message]

    def test_an_event_that_cannot_be_expressed_is_rejected(self, target: CodecTarget) -> None:
        if not target.inexpressible:
            does_not_apply("it can express every event")
        for event in target.inexpressible:
            _check_rejected(target.codec.encode, event)
            if target.has_lines:
                _check_rejected(target.codec.encode_lines, [target.events[0], event])

    def test_what_was_rejected_leaves_no_trace(self, target: CodecTarget) -> None:
        codec = target.codec
        before = [codec.encode(event) for event in target.events]
        for message in target.broken:
            _check_rejected(codec.decode, message)
        for event in target.inexpressible:
            _check_rejected(codec.encode, event)
        assert [codec.encode(event) for event in target.events] == before
        assert [codec.decode(message) for message in before] == list(target.events)


def _check_lines(target: CodecTarget) -> None:
    if not target.has_lines:
        does_not_apply("its messages do not stand on lines")


def _check_rejected(call: Any, given: Any) -> None:
    try:
        found = call(given)
    except RejectedError:
        return
    raise AssertionError(f"{given!r}: expected RejectedError, got {found!r}")
