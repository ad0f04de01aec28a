from __future__ import annotations

import datetime
import json
import math
from functools import partial

import msgspec
import pytest

from bspump.abc.errors import ConfigError, ProcessingError, RejectedError
from bspump.common import (
    BytesJsonParser,
    CySimdJsonParser,
    DictToJsonBytesParser,
    DictToJsonParser,
    JsonBytesToDictParser,
    JsonLinesSerializer,
    JsonSerializer,
    JsonToDictParser,
    StdDictToJsonParser,
    StdJsonToDictParser,
)

PARSERS = [CySimdJsonParser, JsonBytesToDictParser, JsonToDictParser, StdJsonToDictParser]
EVENT = {"a": [1, 2.5, None, True], "b": {"č": "text"}, "big": 2**70}


class Reading(msgspec.Struct):
    sensor: str
    watts: float


@pytest.mark.parametrize("part", [BytesJsonParser, *PARSERS])
@pytest.mark.parametrize("encode", [str, lambda text: text.encode()], ids=["text", "bytes"])
def test_a_document_becomes_what_it_holds(through, part, encode):
    assert through(part, events=[encode(json.dumps(EVENT))]) == ([EVENT], [])


@pytest.mark.parametrize(
    ("part", "error"),
    [(BytesJsonParser, RejectedError), *[(p, json.JSONDecodeError) for p in PARSERS]],
)
def test_a_broken_document_spares_its_neighbours(through, part, error):
    out, errors = through(part, events=[b"[1]", b"{oops", b"[2]"])
    assert out == [[1], [2]]
    assert [type(each) for each in errors] == [error]


@pytest.mark.parametrize("part", PARSERS)
def test_what_only_the_standard_library_reads_is_read_too(through, part):
    out, errors = through(part, events=[b'{"a": 1}', b'{"a": NaN}', b'{"a": "\\ud800"}'])
    assert errors == []
    assert out[0] == {"a": 1}
    assert math.isnan(out[1]["a"])
    assert out[2] == {"a": "\ud800"}


def test_null_is_rejected_where_it_cannot_be_meant(through):
    out, errors = through(BytesJsonParser, events=[b"1", b"null", b"2"])
    assert out == [1, 2]
    assert "null is no event" in str(errors[0])


def test_a_schema_makes_instances_and_rejects_what_does_not_fit(through):
    part = partial(BytesJsonParser, schema=Reading)
    good, bad = b'{"sensor": "s1", "watts": 2}', b'{"sensor": "s1", "watts": "much"}'
    out, errors = through(part, events=[good, bad, good])
    assert out == [Reading("s1", 2.0)] * 2
    assert [type(error) for error in errors] == [RejectedError]
    assert "expected a JSON Reading" in str(errors[0])
    assert "$.watts" in str(errors[0])


def test_a_schema_that_cannot_be_decoded_to_is_an_error_of_the_configuration(through):
    with pytest.raises(ConfigError, match="is no use"):
        through(partial(BytesJsonParser, schema=42), events=[])


@pytest.mark.parametrize("part", [StdDictToJsonParser, DictToJsonParser])
def test_the_standard_text_is_written_character_by_character(through, part):
    assert through(part, events=[EVENT]) == ([json.dumps(EVENT)], [])


def test_the_standard_text_is_encoded_as_the_option_says(through):
    part = partial(DictToJsonBytesParser, config={"encoding": "utf-16"})
    assert through(part, events=[{"a": 1}]) == ([json.dumps({"a": 1}).encode("utf-16")], [])


def test_only_dicts_become_bytes_of_standard_text(through):
    out, errors = through(DictToJsonBytesParser, events=[{"a": 1}, [1], {"a": 2}])
    assert out == [b'{"a": 1}', b'{"a": 2}']
    assert [type(error) for error in errors] == [ProcessingError]


def test_compact_json_is_written(through):
    events = [{"a": [1, "č"]}, Reading("s", 1.5), {"t": datetime.date(2024, 1, 2)}]
    out, errors = through(JsonSerializer, events=events)
    assert errors == []
    assert out == [
        '{"a":[1,"č"]}'.encode(),
        b'{"sensor":"s","watts":1.5}',
        b'{"t":"2024-01-02"}',
    ]


def test_a_line_of_json_ends_with_one_newline(through):
    assert through(JsonLinesSerializer, events=[{"a": "x\ny"}])[0] == [b'{"a":"x\\ny"}\n']


@pytest.mark.parametrize("part", [JsonSerializer, JsonLinesSerializer])
def test_what_json_cannot_hold_spares_its_neighbours(through, part):
    out, errors = through(part, events=[1, object(), 2])
    assert len(out) == 2
    assert [type(error) for error in errors] == [RejectedError]
