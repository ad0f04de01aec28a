"""Filters, fields, encryption and the like keep the contracts."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.common import (
    BytesToStringParser,
    FieldCaster,
    FieldExploder,
    FieldSetter,
    HexlifyProcessor,
    ListSink,
    RateLogger,
    Sampler,
    StringToBytesParser,
)
from bspump.crypto import (
    CoHashingProcessor,
    DecryptAESProcessor,
    EncryptAESProcessor,
    HashingProcessor,
)
from bspump.filter import AttributeFilter, ContentFilter, TimeDriftFilter
from bspump.testing.contracts import (
    ProcessorContract,
    ProcessorTarget,
    SinkContract,
    SinkTarget,
)

KEY = {"key": "00112233445566778899aabbccddeeff"}


class TestListSink(SinkContract):
    @pytest.fixture
    def target(self):
        sinks = []

        def make(app, pipeline):
            sinks.append(ListSink(app, pipeline))
            return sinks[-1]

        return SinkTarget(make=make, stored=lambda: [e for sink in sinks for e in sink.Events])


class DropMisses(ContentFilter):
    def on_miss(self, context, event):
        return None


class TestContentFilter(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=partial(DropMisses, query={"a.b": {"$gt": 1}}),
            events=[{"a": {"b": 1}}, {"a": {"b": 2}}, {}, "text"],
            expected=[{"a": {"b": 2}}],
        )


class TestAttributeFilter(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(make=AttributeFilter, events=[{"a": 1}, {}], broken=[1])


class TestTimeDriftFilter(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=TimeDriftFilter,
            events=[{"@timestamp": 0}, {"@timestamp": 1e12}, {}],
            expected=[{"@timestamp": 1e12}],
            broken=[1],
        )


@pytest.mark.parametrize(
    ("make", "event", "expected", "broken"),
    [
        (partial(FieldCaster, types={"a": "int"}), {"a": "1"}, [{"a": 1}], {"a": "x"}),
        (partial(FieldSetter, fields={"b": 2}), {"a": 1}, [{"a": 1, "b": 2}], 1),
        (partial(FieldExploder, field="a"), {"a": [1, 2]}, [{"a": 1}, {"a": 2}], {"a": 1}),
        (StringToBytesParser, "č", ["č".encode()], b"x"),
        (BytesToStringParser, "č".encode(), ["č"], b"\xff"),
        (HexlifyProcessor, b"\x01", [b"01"], "text"),
        (HashingProcessor, b"x", None, "text"),
        (CoHashingProcessor, b"x", [b"x"], "text"),
        (partial(EncryptAESProcessor, config=KEY), b"x", None, "text"),
        (
            partial(DecryptAESProcessor, config=KEY),
            bytes.fromhex("b02a154cffd6aedd56e1674f64edf150"),
            None,
            b"text",
        ),
    ],
    ids=lambda value: getattr(getattr(value, "func", value), "__name__", None),
)
class TestSmallParts(ProcessorContract):
    @pytest.fixture
    def target(self, make, event, expected, broken):
        return ProcessorTarget(make=make, events=[event], expected=expected, broken=[broken])


class TestSampler(ProcessorContract):
    @pytest.fixture
    def target(self):
        part = partial(Sampler, config={"every": 2})
        return ProcessorTarget(make=part, events=[1, 2, 3], expected=[1, 3])


class TestRateLogger(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(make=RateLogger, events=[1, 2, 3], expected=[1, 2, 3])
