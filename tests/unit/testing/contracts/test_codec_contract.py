"""Each test of the codec contract catches a codec that breaks its promise."""

from __future__ import annotations

import pytest

from bspump.abc.codec import Codec
from bspump.abc.errors import RejectedError
from bspump.formats.json_codec import JsonCodec
from bspump.testing.contracts import CodecContract, CodecTarget


class ForgetsUnicode(JsonCodec):
    def encode(self, event, /):
        return super().encode(event).decode().encode("ascii", "replace")


class Spaces(JsonCodec):
    def encode(self, event, /):
        return super().encode(event).replace(b",", b", ")


class Pops(JsonCodec):
    def encode(self, event, /):
        encoded = super().encode(event)
        event.pop("a", None)
        return encoded


class NoFinalNewline(JsonCodec):
    def encode_lines(self, events, /):
        return super().encode_lines(events)[:-1]


class DecodesLinesOtherwise(JsonCodec):
    def decode_lines(self, block, /):
        return [{**event, "line": True} for event in super().decode_lines(block)]


class NewlineInside(JsonCodec):
    def encode(self, event, /):
        return super().encode(event).replace(b":", b":\n")

    def encode_lines(self, events, /):
        return Codec.encode_lines(self, events)


class CountsEmptyLines(JsonCodec):
    def decode_lines(self, block, /):
        return [self.decode(line) for line in block.split(b"\n")[:-1]]


class Lenient(JsonCodec):
    def decode(self, message, /):
        try:
            return super().decode(message)
        except RejectedError:
            return {}


class RaisesBugs(JsonCodec):
    def decode(self, message, /):
        try:
            return super().decode(message)
        except RejectedError as error:
            raise KeyError("bug") from error


class SkipsBrokenLines(JsonCodec):
    def decode_lines(self, block, /):
        events = []
        for line in block.split(b"\n"):
            try:
                events.append(self.decode(line))
            except RejectedError:
                continue
        return events


class Stringifies(JsonCodec):
    def encode(self, event, /):
        try:
            return super().encode(event)
        except RejectedError:
            return super().encode(str(event))


class Sulks(JsonCodec):
    """Remembers that it has rejected something."""

    sulks = False

    def decode(self, message, /):
        try:
            return {"sulking": True} if self.sulks else super().decode(message)
        except RejectedError:
            self.sulks = True
            raise


CAUGHT_BY = {
    "test_every_event_survives_the_round_trip": [ForgetsUnicode],
    "test_messages_are_what_the_format_says_byte_by_byte": [Spaces, ForgetsUnicode],
    "test_encoding_leaves_the_event_alone": [Pops],
    "test_lines_are_messages_that_end_in_a_newline": [NoFinalNewline],
    "test_lines_decode_to_what_single_messages_decode_to": [DecodesLinesOtherwise],
    "test_lines_can_be_cut_from_a_stream_wherever_it_is_split": [NewlineInside],
    "test_nothing_encodes_to_nothing_and_empty_lines_are_skipped": [CountsEmptyLines],
    "test_a_broken_message_is_rejected": [Lenient, RaisesBugs],
    "test_a_broken_line_spoils_only_itself": [SkipsBrokenLines],
    "test_an_event_that_cannot_be_expressed_is_rejected": [Stringifies],
    "test_what_was_rejected_leaves_no_trace": [Sulks],
}


def target_of(codec_class, **changes):
    arguments = {
        "events": [{"a": 1, "b": "é"}, {"a": 2}],
        "golden": [({"a": [1, 2], "b": "é"}, '{"a":[1,2],"b":"é"}'.encode())],
        "broken": [b"{", b"x"],
        "inexpressible": [{"a": object()}],
    }
    return CodecTarget(codec=codec_class(), **arguments | changes)


@pytest.mark.parametrize(
    ("test", "broken"), [(test, each) for test, list_ in CAUGHT_BY.items() for each in list_]
)
def test_a_broken_codec_is_caught(outcome, test, broken):
    assert isinstance(outcome(CodecContract, test, target_of(broken)), Exception)


@pytest.mark.parametrize("test", CAUGHT_BY)
def test_a_good_codec_passes(outcome, test):
    assert outcome(CodecContract, test, target_of(JsonCodec)) == "passed"


def test_no_test_is_left_without_a_codec_that_it_catches(names):
    assert set(CAUGHT_BY) == names(CodecContract)


def test_what_the_target_does_not_name_is_skipped(outcome):
    target = target_of(JsonCodec, golden=[], broken=[], inexpressible=[], has_lines=False)
    skipped = {test for test in CAUGHT_BY if outcome(CodecContract, test, target) == "skipped"}
    assert set(CAUGHT_BY) - skipped == {
        "test_every_event_survives_the_round_trip",
        "test_encoding_leaves_the_event_alone",
        "test_what_was_rejected_leaves_no_trace",
    }
