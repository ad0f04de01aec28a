"""Avro: the contract of codecs, logical types, evolution, and messages that mean harm."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

pytest.importorskip("fastavro")

from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ConfigError, RejectedError
from bspump.formats.avro_codec import AvroCodec
from bspump.formats.registry import codec
from bspump.testing.contracts import CodecContract, CodecTarget
from bspump.testing.contracts.base import LARGE_TEXT, ODD_TEXTS

USER = {
    "type": "record",
    "name": "shop.User",
    "fields": [
        {"name": "name", "type": "string"},
        {"name": "age", "type": "int", "default": 0},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "mail", "type": ["null", "string"], "default": None},
    ],
}
CHAIN = {
    "type": "record",
    "name": "Chain",
    "fields": [{"name": "next", "type": ["null", "Chain"], "default": None}],
}


def user(**fields):
    return {"name": "ann", "age": 7, "tags": [], "mail": None, **fields}


class TestAvro(CodecContract):
    @pytest.fixture
    def target(self):
        return CodecTarget(
            codec=codec("avro", USER),
            events=[user(name=text, tags=[text]) for text in [*ODD_TEXTS, LARGE_TEXT]]
            + [user(mail="a@b"), user(age=-(2**31)), user(age=2**31 - 1)],
            golden=[(user(mail="x"), b"\x06ann\x0e\x00\x02\x02x")],
            broken=[
                b"",
                b"\x06an",
                b"\x06ann\x0e\x00\x04",
                b"\x06ann\x0e\x00\x00more",
                b"\xff" * 9,
            ],
            inexpressible=[
                *(None, 7, "text", [], {}, {"age": 1}, user(age="7"), user(age=1.5)),
                *(user(age=True), user(age=2**31), user(age=None), user(mail=7), user(other=1)),
            ],
            has_lines=False,
        )


def test_a_field_that_has_a_default_may_be_missing():
    avro = AvroCodec(USER)
    assert avro.decode(avro.encode({"name": "ann", "age": 7})) == user()


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (
            {"type": "long", "logicalType": "timestamp-millis"},
            datetime(2026, 1, 2, 3, 4, 5, 6000, UTC),
        ),
        (
            {"type": "long", "logicalType": "timestamp-micros"},
            datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        ),
        ({"type": "int", "logicalType": "date"}, date(2026, 1, 2)),
        ({"type": "int", "logicalType": "time-millis"}, time(3, 4, 5, 6000)),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
            Decimal("-12.34"),
        ),
        (
            {"type": "string", "logicalType": "uuid"},
            UUID("12345678-1234-5678-1234-567812345678"),
        ),
    ],
)
def test_values_of_logical_types_are_those_of_python(schema, value):
    avro = AvroCodec(schema)
    assert avro.decode(avro.encode(value)) == value


def test_a_moment_without_a_date_in_python_is_rejected():
    avro = AvroCodec({"type": "long", "logicalType": "timestamp-millis"})
    with pytest.raises(RejectedError, match="avro: expected a value of the schema"):
        avro.decode(b"\xfe" + b"\xff" * 7 + b"\x7f")


def test_what_was_written_with_an_older_schema_is_read_with_a_newer_one():
    older = {"type": "record", "name": "shop.User", "fields": USER["fields"][:1]}
    message = AvroCodec(older).encode({"name": "ann"})
    assert AvroCodec(older, reader=USER).decode(message) == user(age=0)


def test_what_the_schema_of_the_reader_cannot_take_is_rejected():
    other = {"type": "record", "name": "shop.User", "fields": [{"name": "id", "type": "int"}]}
    with pytest.raises(RejectedError):
        AvroCodec(USER, reader=other).decode(AvroCodec(USER).encode(user()))


def test_a_null_is_no_event():
    with pytest.raises(RejectedError, match="null is no event"):
        AvroCodec(["null", "int"]).decode(b"\x00")


@pytest.mark.parametrize(
    "schema",
    [None, 5, "nope", "{", {"type": "record"}, {"type": "enum", "name": "E"}, Path("/no/such")],
)
def test_what_is_no_schema_is_refused(schema):
    with pytest.raises(ConfigError, match="codec 'avro'"):
        AvroCodec(schema)


def test_a_schema_is_text_or_a_file_and_finds_those_beside_it(tmp_path):
    (tmp_path / "shop.Line.avsc").write_text(
        '{"type":"record","name":"shop.Line","fields":[{"name":"n","type":"int"}]}'
    )
    file = tmp_path / "order.avsc"
    file.write_text(
        '{"type":"record","name":"shop.Order","fields":[{"name":"line","type":"shop.Line"}]}'
    )
    avro = AvroCodec(file)
    assert avro.decode(avro.encode({"line": {"n": 5}})) == {"line": {"n": 5}}
    assert AvroCodec('{"type": "string"}').decode(b"\x02a") == "a"
    assert AvroCodec("string").decode(b"\x02a") == "a"


@pytest.mark.parametrize("depth", [1, 100, 250])
def test_a_value_inside_of_its_own_kind_comes_back(depth):
    event = {"next": None}
    for _ in range(depth):
        event = {"next": event}
    avro = AvroCodec(CHAIN)
    assert avro.decode(avro.encode(event)) == event


def test_nesting_without_an_end_does_not_end_the_process():
    """In a process of its own: what would go wrong is that it dies of a signal."""
    program = f"""
from bspump.abc.errors import RejectedError
from bspump.formats.avro_codec import AvroCodec
avro = AvroCodec({CHAIN!r})
deep = {{"next": None}}
for _ in range(50_000):
    deep = {{"next": deep}}
for work in (lambda: avro.decode(b"\\2" * 100_000 + b"\\0"), lambda: avro.encode(deep)):
    try:
        work()
    except RejectedError:
        print("rejected")
while deep:
    deep = deep["next"]
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.stdout.split(), done.returncode) == (["rejected", "rejected"], 0), done.stderr


@pytest.mark.parametrize(
    "items",
    [
        "null",
        {"type": "fixed", "name": "Nothing", "size": 0},
        {"type": "record", "name": "Empty", "fields": [{"name": "a", "type": "null"}]},
    ],
)
def test_arrays_of_what_takes_no_bytes_are_refused(items):
    with pytest.raises(ConfigError, match="take no bytes"):
        AvroCodec({"type": "array", "items": items})


def test_binary_messages_do_not_stand_on_lines():
    for wrong in (
        lambda: AvroCodec(USER).decode_lines(b""),
        lambda: AvroCodec(USER).encode_lines([]),
    ):
        with pytest.raises(ConfigError, match="length-prefix framing"):
            wrong()


USERS = st.fixed_dictionaries(
    {
        "name": st.text(),
        "age": st.integers(-(2**31), 2**31 - 1),
        "tags": st.lists(st.text()),
        "mail": st.none() | st.text(),
    }
)


@given(USERS)
def test_any_event_of_the_schema_comes_back(event):
    avro = AvroCodec(USER)
    assert avro.decode(avro.encode(event)) == event


@given(st.binary(max_size=60))
def test_any_bytes_are_an_event_or_are_rejected(message):
    for schema in (USER, CHAIN, {"type": "map", "values": ["null", "double", "bytes"]}):
        with contextlib.suppress(RejectedError):
            AvroCodec(schema).decode(message)
