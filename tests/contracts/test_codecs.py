"""The codecs keep the contract."""

from __future__ import annotations

import msgspec
import pytest

from bspump.formats.registry import codec
from bspump.testing.contracts import CodecContract, CodecTarget
from bspump.testing.contracts.base import LARGE_TEXT, ODD_TEXTS


class User(msgspec.Struct):
    name: str
    age: int = 0


class TestJson(CodecContract):
    @pytest.fixture
    def target(self):
        return CodecTarget(
            codec=codec("json"),
            events=[{"text": text} for text in [*ODD_TEXTS, LARGE_TEXT]]
            + [{}, [], [1, [2, {"a": None}]], 0, -1.5, 10**30, True, "text"],
            golden=[({"a": 1, "ü": [None, True]}, '{"a":1,"ü":[null,true]}'.encode())],
            broken=[b"{", b"", b"nul", b'{"a":1}}', b"\xff", b'{"a":NaN}', b"[" * 100_000],
            inexpressible=[object(), {"a": object()}],
        )


class TestTypedJson(CodecContract):
    @pytest.fixture
    def target(self):
        return CodecTarget(
            codec=codec("json", User),
            events=[User(text, i) for i, text in enumerate([*ODD_TEXTS, LARGE_TEXT])],
            golden=[(User("ann", 3), b'{"name":"ann","age":3}')],
            broken=[b"{}", b'{"name":1}', b'{"name":"a","age":"3"}', b"[]"],
            inexpressible=[object()],
        )


class TestText(CodecContract):
    @pytest.fixture
    def target(self):
        return CodecTarget(
            codec=codec("text"),
            events=[t for t in [*ODD_TEXTS, LARGE_TEXT] if t and "\n" not in t],
            golden=[("ü", b"\xc3\xbc")],
            broken=[b"\xff", b"a\xc3"],
            inexpressible=[1, b"bytes", "\ud800"],
        )


class TestBytes(CodecContract):
    @pytest.fixture
    def target(self):
        return CodecTarget(
            codec=codec("bytes"),
            events=[b"a", b"\x00\xff", b" ", b"\r", LARGE_TEXT.encode()],
            golden=[(b"a\x00", b"a\x00")],
            inexpressible=["text", 1, None],
        )


class TestMsgpack(CodecContract):
    @pytest.fixture
    def target(self):
        return CodecTarget(
            codec=codec("msgpack"),
            events=[{"text": text} for text in [*ODD_TEXTS, LARGE_TEXT]] + [{}, [], 0, -1.5, b"\n"],
            golden=[({"a": 1}, b"\x81\xa1a\x01")],
            broken=[b"", b"\xc1", b"\x81\xa1a", b"\x01\x02"],
            inexpressible=[object()],
            has_lines=False,
        )


class TestLogfmt(CodecContract):
    @pytest.fixture
    def target(self):
        return CodecTarget(
            codec=codec("logfmt"),
            events=[{"text": text} for text in [*ODD_TEXTS, LARGE_TEXT]],
            golden=[({"level": "info", "text": "a b"}, b'level=info text="a b"')],
        )


class TestCsv(CodecContract):
    @pytest.fixture
    def target(self):
        return CodecTarget(
            codec=codec("csv", fieldnames=["a", "b"]),
            events=[{"a": "1", "b": t} for t in ODD_TEXTS if "\n" not in t],
            golden=[({"a": "1", "b": "x,y"}, b'1,"x,y"')],
            broken=[b"1", b"1,2,3"],
        )
