"""Protobuf: the contract of codecs, types of all kinds, and where schemas come from."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("google.protobuf")
pytest.importorskip("grpc_tools.protoc")

from google.protobuf import descriptor_pb2, wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st
from protobuf_schema import SOURCE, descriptor_set

from bspump.abc.errors import ConfigError, RejectedError
from bspump.formats.protobuf_codec import ProtobufCodec
from bspump.formats.registry import codec
from bspump.testing.contracts import CodecContract, CodecTarget
from bspump.testing.contracts.base import LARGE_TEXT, ODD_TEXTS

ZERO = {
    **{"id": "", "cents": 0, "raw": b"", "kind": "UNKNOWN", "lines": [], "by_name": {}},
    **{"rates": {}, "kinds": []},
}


def order(**fields):
    return {**ZERO, "id": "o1", **fields}


@pytest.fixture(scope="module")
def orders():
    return codec("protobuf", SOURCE, message="shop.Order")


class TestProtobuf(CodecContract):
    @pytest.fixture
    def target(self, orders):
        return CodecTarget(
            codec=orders,
            events=[order(id=text) for text in [*ODD_TEXTS, LARGE_TEXT] if _is_text(text)]
            + [order(cents=-(2**63), raw=bytes(range(256)), kind="BOOK", maybe=0)],
            golden=[
                (order(), b"\x0a\x02o1"),
                (order(cents=1, lines=[{"sku": "a", "count": 0}]), b"\n\x02o1\x10\x01*\x03\n\x01a"),
            ],
            broken=[b"\xff", b"\x0a\x05ab", b"\x0a\x01\xff", b"\x7a\x00" + b"\x7a"],
            inexpressible=[
                *(None, 7, "text", [], {1: 2}, order(other=1), order(id=7), order(cents="7")),
                *(order(cents=1.5), order(cents=2**63), order(kind="CAR"), order(lines=[None])),
                *(order(raw="text"), order(id="\ud800")),
            ],
            has_lines=False,
        )


def _is_text(text):
    return not any("\ud800" <= c <= "\udfff" for c in text)


def test_each_kind_of_field_comes_back(orders):
    event = order(
        lines=[{"sku": "a", "count": 1}, {"sku": "b", "count": 2}],
        by_name={"x": {"sku": "c", "count": 3}},
        rates={-1: 0.5},
        at=datetime(2026, 1, 2, 3, 4, 5, 678, UTC),
        took=timedelta(days=-1, microseconds=5),
        extra={"a": [1.0, None, {"b": "c"}]},
        remark={"value": ""},
        voucher={"sku": "v", "count": 0},
        parent=order(id="o0"),
        kinds=["BOOK", "UNKNOWN"],
    )
    assert orders.decode(orders.encode(event)) == event


def test_none_means_not_set_and_what_is_not_set_is_missing(orders):
    assert orders.decode(orders.encode({"id": "o1", "maybe": None, "lines": None})) == order()


def test_a_value_that_a_newer_schema_has_stays_a_number(orders):
    assert orders.decode(b"\x20\x09")["kind"] == 9
    assert orders.encode({"kind": 9}) == b"\x20\x09"


def test_fields_of_a_newer_schema_do_no_harm(orders):
    assert orders.decode(b"\x0a\x02o1\xf8\x3f\x01") == order()


def test_equal_events_are_equal_bytes(orders):
    there = {"by_name": {name: {"sku": "s"} for name in "abcdefgh"}}
    back = {"by_name": {name: {"sku": "s"} for name in "hgfedcba"}}
    assert orders.encode(there) == orders.encode(back)


def test_events_can_be_the_messages_themselves(orders):
    messages = ProtobufCodec(SOURCE, message="shop.Order", as_message=True)
    event = messages.decode(b"\x0a\x02o1")
    assert (event.id, event.DESCRIPTOR.full_name) == ("o1", "shop.Order")
    assert messages.encode(event) == orders.encode(event) == b"\x0a\x02o1"
    with pytest.raises(RejectedError, match=r"expected a message shop\.Order"):
        orders.encode(wrappers_pb2.Int32Value(value=1))


def test_what_is_nested_too_deeply_is_rejected(orders):
    event = {}
    for _ in range(100_000):
        event = {"parent": event}
    with pytest.raises(RejectedError, match="nested too deeply"):
        orders.encode(event)
    while event:
        event = event.pop("parent", None)
    with pytest.raises(RejectedError):
        orders.decode(_nested(1000))


def _nested(depth):
    message = b""
    for _ in range(depth):
        length = len(message)
        message = b"\x7a" + bytes([length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, 0]) + message
    return message


@pytest.mark.parametrize("schema", [wrappers_pb2.Int32Value, wrappers_pb2, wrappers_pb2.__name__])
def test_a_schema_is_a_class_a_module_or_its_name(schema):
    name = "" if isinstance(schema, type) else "google.protobuf.Int32Value"
    assert ProtobufCodec(schema, message=name).decode(b"\x08\x05") == {"value": 5}


def test_a_schema_is_a_descriptor_set_or_a_file(tmp_path):
    compiled, source = tmp_path / "small.desc", tmp_path / "order.proto"
    compiled.write_bytes(descriptor_set())
    source.write_text(SOURCE)
    for schema in (descriptor_set(), compiled, source):
        notes = ProtobufCodec(schema, message="shop.Order.Note")
        assert notes.decode(b"\x0a\x01x") == {"text": "x"}


def test_a_descriptor_set_needs_no_well_known_types():
    small = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set())
    small.file[0].dependency.append("google/protobuf/struct.proto")
    small.file[0].message_type[0].field.add(
        name="extra", number=3, type=11, label=1, type_name=".google.protobuf.Struct"
    )
    lines = ProtobufCodec(small.SerializeToString(), message="shop.Line")
    event = {"sku": "a", "count": 0, "extra": {"b": True}}
    assert lines.decode(lines.encode(event)) == event


@pytest.mark.parametrize(
    ("schema", "message", "said"),
    [
        (None, "", "a schema is needed"),
        (SOURCE, "", "got none"),
        (SOURCE, "shop.Nope", "defined: 'shop.Line', 'shop.Order'"),
        ("no_such_module_pb2", "", "cannot be imported"),
        ("syntax = 'proto3';\nmessage {}", "", "does not compile"),
        (b"nonsense", "", "--include_imports"),
        (b"", "", "--include_imports"),
        (7, "", "expected a module"),
    ],
)
def test_what_is_no_schema_is_refused(schema, message, said):
    with pytest.raises(ConfigError, match="codec 'protobuf'") as caught:
        ProtobufCodec(schema, message=message)
    assert said in str(caught.value)


def test_a_descriptor_set_without_its_imports_is_refused():
    small = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set())
    small.file[0].dependency.append("money.proto")
    with pytest.raises(ConfigError, match=r"'money\.proto' is imported"):
        ProtobufCodec(small.SerializeToString(), message="shop.Line")


def test_binary_messages_do_not_stand_on_lines(orders):
    for wrong in (lambda: orders.decode_lines(b""), lambda: orders.encode_lines([])):
        with pytest.raises(ConfigError, match="length-prefix framing"):
            wrong()


EVENTS = st.fixed_dictionaries(
    {
        "id": st.text(),
        "cents": st.integers(-(2**63), 2**63 - 1),
        "raw": st.binary(),
        "kind": st.sampled_from(["UNKNOWN", "BOOK"]),
        "rates": st.dictionaries(
            st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), max_size=3
        ),
    },
    optional={"maybe": st.integers(-(2**31), 2**31 - 1), "card": st.text()},
)


@given(EVENTS)
def test_any_event_of_the_schema_comes_back(orders, event):
    assert orders.decode(orders.encode(event)) == {**ZERO, **event}


@given(st.binary(max_size=60))
def test_any_bytes_are_an_event_or_are_rejected(orders, message):
    with contextlib.suppress(RejectedError):
        orders.decode(message)
