"""Codecs by name, and what a broken line costs its neighbours."""

from __future__ import annotations

import msgspec
import pytest

from bspump.abc.errors import ConfigError, DuplicateNameError, RejectedError, UnknownNameError
from bspump.formats import registry
from bspump.formats.json_codec import JsonCodec
from bspump.formats.plain import BytesCodec, TextCodec
from bspump.formats.registry import codec, codec_names, decode_block, register_codec


class Login(msgspec.Struct):
    user: str


def test_codecs_are_found_by_name():
    expected = "avro bytes csv json logfmt msgpack protobuf raw text"
    assert codec_names() == expected.split()
    assert isinstance(codec("json"), JsonCodec)
    assert isinstance(codec("raw"), BytesCodec)
    assert codec("json", Login).decode(b'{"user":"ann"}') == Login("ann")
    assert codec("csv", fieldnames=["a"]).decode(b"1") == {"a": "1"}


def test_a_wrong_name_a_wrong_option_and_a_wrong_schema_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'json'"):
        codec("jsn")
    with pytest.raises(ConfigError, match="there is no option 'delimeter'") as caught:
        codec("csv", delimeter=";")
    assert "did you mean 'delimiter'?" in str(caught.value)
    with pytest.raises(ConfigError, match="codec 'text': takes no schema"):
        codec("text", Login)


def test_a_codec_can_be_added_once(monkeypatch):
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    register_codec("shout", TextCodec)
    assert codec("shout", encoding="ascii").decode(b"A") == "A"
    with pytest.raises(DuplicateNameError, match="codec 'shout' is registered already"):
        register_codec("shout", BytesCodec)


def test_a_broken_line_spoils_only_itself():
    events, broken = decode_block(codec("json"), b'{"a":1}\n{oops\n\n{"a":3}\nnull')
    assert events == [{"a": 1}, {"a": 3}]
    assert [line for line, _ in broken] == [b"{oops", b"null"]
    assert all(isinstance(error, RejectedError) for _, error in broken)


def test_a_block_without_a_broken_line_has_no_errors():
    assert decode_block(codec("json"), b"1\n2\n") == ([1, 2], [])
    assert decode_block(codec("json"), b"") == ([], [])


@pytest.mark.parametrize(
    ("name", "block", "expected"),
    [
        ("text", b"a\n  \n\xff\nb\n", ["a", "  ", "b"]),
        ("csv", b' \n"open\n\r\na,b\r\n', [[" "], ["a", "b"]]),
        ("logfmt", b"a=1\n=\n\nb=2", [{"a": "1"}, {"b": "2"}]),
    ],
)
def test_lines_beside_a_broken_one_are_what_they_are_without_it(name, block, expected):
    events, broken = decode_block(codec(name), block)
    assert events == expected
    assert len(broken) == 1


def test_a_codec_without_lines_says_so():
    with pytest.raises(ConfigError, match="cannot be split at newlines"):
        decode_block(codec("msgpack"), b"x\n")
