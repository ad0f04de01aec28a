"""Bytes, text and MessagePack."""

from __future__ import annotations

import msgspec
import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.formats.msgpack_codec import MsgpackCodec
from bspump.formats.plain import BytesCodec, TextCodec


class Login(msgspec.Struct):
    user: str
    count: int = 1


def test_bytes_stay_as_they_are():
    codec = BytesCodec()
    assert codec.decode(b"\x00\xff") == b"\x00\xff"
    assert codec.encode(bytearray(b"ab")) == codec.encode(memoryview(b"ab")) == b"ab"
    assert codec.decode_lines(b"one\n\ntwo") == [b"one", b"two"]
    assert codec.encode_lines([b"one", bytearray(b"two")]) == b"one\ntwo\n"


@pytest.mark.parametrize("event", ["text", 7, None, {}])
def test_what_is_no_bytes_is_rejected(event):
    with pytest.raises(RejectedError, match="bytes: expected bytes"):
        BytesCodec().encode(event)


def test_text_has_an_encoding():
    codec = TextCodec(encoding="latin-1")
    assert codec.decode(b"caf\xe9") == "café"
    assert codec.encode("café") == b"caf\xe9"
    assert codec.encode_lines(["é", "x"]) == b"\xe9\nx\n"
    assert codec.decode_lines(b"\xe9\n\nx") == ["é", "x"]


def test_text_that_the_encoding_lacks_is_rejected():
    with pytest.raises(RejectedError, match="text: expected utf-8 text"):
        TextCodec().decode(b"\xff")
    with pytest.raises(RejectedError, match="text: expected ascii text"):
        TextCodec(encoding="ascii").encode("é")
    for encode in (TextCodec().encode, lambda event: TextCodec().encode_lines(["x", event])):
        with pytest.raises(RejectedError, match="text: expected a str, got 7"):
            encode(7)


def test_wrong_bytes_can_be_marked_instead():
    assert TextCodec(errors="replace").decode(b"a\xff") == "a\ufffd"
    assert TextCodec(errors="backslashreplace").decode(b"a\xff") == "a\\xff"


def test_an_encoding_without_newline_bytes_has_messages_but_no_lines():
    codec = TextCodec(encoding="utf-16-le")
    assert codec.decode(codec.encode("ab\n")) == "ab\n"
    for wrong in (lambda: codec.decode_lines(b"a\n"), lambda: codec.encode_lines(["a"])):
        with pytest.raises(ConfigError, match="length-prefix framing"):
            wrong()


@pytest.mark.parametrize("options", [{"encoding": "utf-99"}, {"encoding": "hex"}, {"errors": "x"}])
def test_an_encoding_that_does_not_exist_is_refused(options):
    with pytest.raises(ConfigError, match="codec 'text'"):
        TextCodec(**options)


@pytest.mark.parametrize("event", [{"id": 7, "raw": b"\x00\n"}, [1, 2.5, None], "x", 0, False])
def test_a_messagepack_event_comes_back_as_it_was(event):
    codec = MsgpackCodec()
    assert codec.decode(codec.encode(event)) == event


def test_a_messagepack_schema_makes_typed_events():
    codec = MsgpackCodec(Login)
    assert codec.decode(codec.encode({"user": "ann"})) == Login("ann")
    with pytest.raises(RejectedError):
        codec.decode(codec.encode({"user": "ann", "count": "2"}))
    lax = MsgpackCodec(Login, strict=False)
    assert lax.decode(codec.encode({"user": "ann", "count": "2"})) == Login("ann", 2)
    with pytest.raises(ConfigError, match="codec 'msgpack'"):
        MsgpackCodec("Login")


@pytest.mark.parametrize(
    "message", [b"", b"\xc1", b"\x01\x02", b"\x92\x01", b"\xc0", b"\x81\x80\x01"]
)
def test_a_broken_messagepack_message_is_rejected(message):
    with pytest.raises(RejectedError, match="msgpack: expected one MessagePack value"):
        MsgpackCodec().decode(message)


@pytest.mark.parametrize("event", [object(), 2**70, "\ud800"])
def test_what_messagepack_cannot_hold_is_rejected(event):
    with pytest.raises(RejectedError, match="values that MessagePack can hold"):
        MsgpackCodec().encode(event)


def test_messagepack_has_no_lines():
    for wrong in (
        lambda: MsgpackCodec().decode_lines(b"x"),
        lambda: MsgpackCodec().encode_lines([]),
    ):
        with pytest.raises(ConfigError, match="length-prefix framing"):
            wrong()
