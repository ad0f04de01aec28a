"""The parts of `bspump.common` keep the contracts."""

from __future__ import annotations

import functools

import pytest

from bspump.common.fields import FieldRemover, FieldRenamer, FieldSelector, FlattenDictProcessor
from bspump.common.iterator import IteratorGenerator
from bspump.common.json_parsers import BytesJsonParser, StdJsonToDictParser
from bspump.common.json_serializers import (
    DictToJsonBytesParser,
    JsonLinesSerializer,
    JsonSerializer,
)
from bspump.common.mapping import MappingItemsGenerator
from bspump.common.null import NullSink
from bspump.testing.contracts import (
    ProcessorContract,
    ProcessorTarget,
    SinkContract,
    SinkTarget,
)


class TestNullSink(SinkContract):
    @pytest.fixture
    def target(self):
        return SinkTarget(make=NullSink, stored=None)


class TestBytesJsonParser(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=BytesJsonParser,
            events=[b'{"a": 1}', "[1, 2]", b'"text"', b"{}"],
            expected=[{"a": 1}, [1, 2], "text", {}],
            broken=[b"{", b"null", b"\xff"],
        )


class TestStdJsonToDictParser(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=StdJsonToDictParser,
            events=['{"a": 1}', b'{"a": Infinity}'],
            expected=[{"a": 1}, {"a": float("inf")}],
            broken=["{"],
        )


class TestJsonSerializer(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=JsonSerializer,
            events=[{"a": 1}, [None], {"b": {"c": "ü"}}],
            expected=[b'{"a":1}', b"[null]", '{"b":{"c":"ü"}}'.encode()],
            broken=[{"a": object()}],
        )


class TestJsonLinesSerializer(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=JsonLinesSerializer,
            events=[{"a": 1}, [None]],
            expected=[b'{"a":1}\n', b"[null]\n"],
            broken=[{"a": object()}],
        )


class TestDictToJsonBytesParser(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=DictToJsonBytesParser,
            events=[{"a": 1}],
            expected=[b'{"a": 1}'],
            broken=[[1], {1: {1}}],
        )


class TestFlattenDictProcessor(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=FlattenDictProcessor,
            events=[{"a": {"b": 1}, "c": {}}, {}],
            expected=[{"a.b": 1, "c": {}}, {None: {}}],
        )


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (functools.partial(FieldRenamer, names={"a": "x"}), {"x": 1, "b": 2}),
        (functools.partial(FieldSelector, fields=["b"]), {"b": 2}),
        (functools.partial(FieldRemover, fields=["b"]), {"a": 1}),
    ],
)
class TestFields(ProcessorContract):
    @pytest.fixture
    def target(self, make, expected):
        return ProcessorTarget(make=make, events=[{"a": 1, "b": 2}], expected=[expected])


class TestIteratorGenerator(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=IteratorGenerator, events=[[1, 2], [], (3,)], expected=[1, 2, 3], broken=[4]
        )


class TestMappingItemsGenerator(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=MappingItemsGenerator,
            events=[{"a": 1, "b": 2}, {}],
            expected=[("a", 1), ("b", 2)],
            broken=[[1]],
        )
