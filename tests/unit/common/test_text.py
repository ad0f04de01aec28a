from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import ConfigError, ProcessingError
from bspump.common import BytesToStringParser, HexlifyProcessor, StringToBytesParser


@pytest.mark.parametrize(
    ("part", "event", "expected"),
    [
        (StringToBytesParser, "žluť", "žluť".encode()),
        (BytesToStringParser, "žluť".encode(), "žluť"),
        (BytesToStringParser, bytearray(b"abc"), "abc"),
        (HexlifyProcessor, b"\x00\xffa", b"00ff61"),
        (HexlifyProcessor, memoryview(b"\x01"), b"01"),
    ],
)
def test_an_event_is_converted(through, part, event, expected):
    out, errors = through(part, events=[event])
    assert (out, errors) == ([expected], [])
    assert type(out[0]) is type(expected)


@pytest.mark.parametrize(
    ("part", "wrong", "right"),
    [
        (StringToBytesParser, b"bytes", "text"),
        (BytesToStringParser, "text", b"bytes"),
        (HexlifyProcessor, "text", b"bytes"),
    ],
)
def test_an_event_of_the_wrong_type_spares_its_neighbours(through, part, wrong, right):
    out, errors = through(part, events=[right, wrong, right])
    assert len(out) == 2
    assert [type(error) for error in errors] == [ProcessingError]
    assert f"got {type(wrong).__name__}" in str(errors[0])


def test_the_encoding_is_an_option(through):
    part = partial(StringToBytesParser, config={"encoding": "latin-1"})
    assert through(part, events=["é"])[0] == [b"\xe9"]


def test_what_an_encoding_cannot_express_is_the_error_of_its_event(through):
    part = partial(StringToBytesParser, config={"encoding": "ascii"})
    out, errors = through(part, events=["a", "é", "b"])
    assert out == [b"a", b"b"]
    assert [type(error) for error in errors] == [UnicodeEncodeError]


@pytest.mark.parametrize("part", [StringToBytesParser, BytesToStringParser])
def test_an_unknown_encoding_is_an_error_of_the_configuration(through, part):
    with pytest.raises(ConfigError, match=r"Test\.\w+: encoding: unknown encoding: klingon"):
        through(partial(part, config={"encoding": "klingon"}), events=[])
