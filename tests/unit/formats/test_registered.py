"""Messages that name their schema: what is fetched when, and what each failure costs."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("fastavro")
pytest.importorskip("grpc_tools.protoc")

from protobuf_schema import SOURCE, descriptor_set

from bspump.abc.errors import ConfigError, OptionError, RejectedError, TransientError
from bspump.abc.schemas import Reference, RegisteredSchema
from bspump.formats.configured import SchemaOptions, configured_codec
from bspump.formats.wire_format import header

USER = {"type": "record", "name": "User", "fields": [{"name": "name", "type": "string"}]}
NEWER = {**USER, "fields": [*USER["fields"], {"name": "age", "type": "int", "default": 0}]}


class MemoryRegistry:
    """A registry without a network; it counts what it was asked."""

    def __init__(self, *schemas):
        self.schemas = {schema.id: schema for schema in schemas}
        self.subjects = {}
        self.asked = []
        self.failure = None

    def _ask(self, *what):
        self.asked.append(what)
        if self.failure is not None:
            raise self.failure

    async def schema(self, id, /):
        self._ask("schema", id)
        if id not in self.schemas:
            raise RejectedError(f"there is no schema of id {id}")
        return self.schemas[id]

    async def version(self, subject, version, /):
        self._ask("version", subject, version)
        return self.subjects[subject]

    async def find(self, subject, schema, /):
        self._ask("find", subject)
        found = self.subjects.get(subject)
        if found is None or found.text != schema.text:
            raise ConfigError(f"not registered under {subject}")
        return found

    async def register(self, subject, schema, /):
        self._ask("register", subject)
        id_ = 100 + len(self.schemas)
        self.schemas[id_] = RegisteredSchema(id_, schema.type, schema.text)
        self.subjects[subject] = self.schemas[id_]
        return self.schemas[id_]


def avro(id_, schema):
    return RegisteredSchema(id_, "AVRO", json.dumps(schema))


@pytest.fixture
def registry():
    return MemoryRegistry(avro(1, USER), avro(2, NEWER), RegisteredSchema(3, "PROTOBUF", SOURCE))


@pytest.fixture
def make(registry):
    def make(name, subject="t-value", **schema):
        options = SchemaOptions(registry="R", **schema)
        return configured_codec(name, options, {"R": registry}.__getitem__, subject=subject)

    return make


ANN, BOB = header(1) + b"\x06ann", header(2) + b"\x06bob\x0e"


async def test_messages_are_read_by_the_schemas_they_were_written_with(registry, make):
    codec = make("avro")
    assert codec.lacks([ANN, BOB])
    await codec.prepare([ANN, BOB])
    assert not codec.lacks([ANN, BOB])
    assert [codec.decode(m) for m in (ANN, BOB)] == [{"name": "ann"}, {"name": "bob", "age": 7}]
    await codec.prepare([ANN, BOB])
    assert sorted(registry.asked) == [("schema", 1), ("schema", 2)]


async def test_events_of_all_schemas_can_be_those_of_our_own(make):
    codec = make("avro", text=json.dumps(NEWER))
    await codec.prepare([ANN, BOB])
    assert [codec.decode(m)["age"] for m in (ANN, BOB)] == [0, 7]


async def test_a_schema_that_there_is_not_costs_its_messages_only(registry, make):
    codec, stranger = make("avro"), header(9) + b"x"
    await codec.prepare([ANN, stranger])
    assert not codec.lacks([ANN, stranger])
    assert codec.decode(ANN) == {"name": "ann"}
    with pytest.raises(RejectedError, match="no schema of id 9"):
        codec.decode(stranger)
    registry.schemas[9] = avro(9, "string")
    await codec.prepare([stranger])
    with pytest.raises(RejectedError, match="avro: expected"):
        codec.decode(stranger)


async def test_a_schema_of_no_use_costs_its_messages_only(registry, make):
    registry.schemas[4] = RegisteredSchema(4, "AVRO", "{nonsense")
    codec, others = make("avro"), [header(3) + b"x", header(4) + b"x"]
    await codec.prepare([ANN, *others])
    assert codec.decode(ANN) == {"name": "ann"}
    for message, said in zip(others, ["one of PROTOBUF", "the schema is no use"], strict=True):
        with pytest.raises(RejectedError, match=said):
            codec.decode(message)


@pytest.mark.parametrize("message", [b"", b"\0\0", b'{"name":"ann"}'])
async def test_what_names_no_schema_is_rejected_and_nothing_is_fetched(registry, make, message):
    codec = make("avro")
    assert not codec.lacks([message])
    with pytest.raises(RejectedError, match="schema registry: expected"):
        codec.decode(message)
    assert registry.asked == []


async def test_while_the_registry_is_away_nothing_is_decoded_and_nothing_rejected(registry, make):
    codec = make("avro")
    registry.failure = TransientError("away")
    with pytest.raises(TransientError):
        await codec.prepare([ANN])
    assert codec.lacks([ANN])
    registry.failure = None
    await codec.prepare([ANN])
    assert codec.decode(ANN) == {"name": "ann"}


async def test_a_source_that_fetches_nothing_is_told_so(make):
    with pytest.raises(ConfigError, match="does not fetch schemas"):
        make("avro").decode(ANN)
    with pytest.raises(ConfigError, match="does not fetch schemas"):
        make("avro").encode({"name": "ann"})


async def test_no_more_schemas_are_kept_than_are_needed(registry, make, monkeypatch):
    monkeypatch.setattr("bspump.formats.registered._SCHEMAS_AT_MOST", 2)
    codec = make("avro")
    messages = []
    for id_ in range(10, 16):
        registry.schemas[id_] = avro(id_, "int")
        messages.append(header(id_) + b"\x02")
    await codec.prepare(messages[:5])
    assert not codec.lacks(messages[:5])
    await codec.prepare(messages[5:])
    assert codec.lacks(messages[:4])
    assert not codec.lacks(messages[5:])


async def test_events_are_written_with_the_latest_version(registry, make):
    registry.subjects["t-value"] = registry.schemas[2]
    codec = make("avro")
    await codec.prepare_encoding()
    await codec.prepare_encoding()
    assert codec.encode({"name": "bob", "age": 7}) == BOB
    assert registry.asked == [("version", "t-value", "latest")]
    with pytest.raises(RejectedError):
        codec.encode({"nam": "bob"})


async def test_our_own_schema_must_be_registered(registry, make):
    codec = make("avro", text=json.dumps(USER), subject="other")
    with pytest.raises(ConfigError, match="not registered under other"):
        await codec.prepare_encoding()
    registry.subjects["other"] = registry.schemas[1]
    await codec.prepare_encoding()
    assert codec.encode({"name": "ann"}) == ANN


async def test_our_own_schema_is_registered_if_that_is_wanted(registry, make):
    codec = make("avro", text=json.dumps(USER), register=True)
    await codec.prepare_encoding()
    assert codec.encode({"name": "ann"}) == header(103) + b"\x06ann"
    assert registry.asked == [("register", "t-value")]


async def test_schemas_may_import_others(registry, make):
    inner = avro(5, {"type": "record", "name": "shop.Line", "fields": []})
    outer = {"type": "record", "name": "O", "fields": [{"name": "l", "type": "shop.Line"}]}
    registry.schemas[6] = RegisteredSchema(
        6, "AVRO", json.dumps(outer), (Reference("shop.Line", inner),)
    )
    codec, message = make("avro"), header(6)
    await codec.prepare([message])
    assert codec.decode(message) == {"l": {}}


ORDER, NOTE = header(3) + b"\x02\x02\x0a\x02o1", header(3) + b"\x04\x02\x00\x0a\x01n"
LINE = header(3) + b"\x00\x0a\x01s"


async def test_a_message_of_protobuf_is_of_the_type_that_it_says(make):
    codec = make("protobuf")
    await codec.prepare([ORDER, NOTE, LINE])
    assert codec.decode(ORDER)["id"] == "o1"
    assert codec.decode(NOTE) == {"text": "n"}
    assert codec.decode(LINE) == {"sku": "s", "count": 0}


async def test_types_are_counted_in_the_order_of_the_source(registry, make):
    text = """syntax = "proto3";
    message Z { map<string, int32> m = 1; message Y { int32 y = 1; } message X { int32 x = 1; } }
    message A { int32 a = 1; }
    """
    registry.schemas[5] = RegisteredSchema(5, "PROTOBUF", text)
    codec = make("protobuf")
    places = [b"\x02\x02", b"\x04\x00\x00", b"\x04\x00\x02"]
    messages = [header(5) + place + b"\x08\x01" for place in places]
    await codec.prepare(messages)
    assert list(map(codec.decode, messages)) == [{"a": 1}, {"y": 1}, {"x": 1}]


async def test_other_types_than_the_wanted_one_are_rejected(make):
    codec = make("protobuf", message="shop.Order")
    await codec.prepare([ORDER, LINE])
    assert codec.decode(ORDER)["id"] == "o1"
    for wrong in (LINE, header(3) + b"\x02\x20", header(3) + b"\x09"):
        with pytest.raises(RejectedError):
            codec.decode(wrong)


async def test_a_type_of_our_own_needs_no_registry_to_read(registry, make, tmp_path):
    compiled = tmp_path / "small.desc"
    compiled.write_bytes(descriptor_set())
    codec = make("protobuf", file=str(compiled), message="shop.Order")
    assert not codec.lacks([ORDER])
    assert codec.decode(ORDER) == {"id": "o1", "lines": []}
    with pytest.raises(RejectedError, match=r"got 'shop\.Line'"):
        codec.decode(LINE)
    registry.subjects["t-value"] = registry.schemas[3]
    await codec.prepare_encoding()
    assert codec.encode({"id": "o1"}) == ORDER


async def test_protobuf_is_written_with_the_schema_of_the_registry_or_our_own(registry, make):
    registry.subjects["t-value"] = registry.schemas[3]
    codec = make("protobuf", message="shop.Order")
    await codec.prepare_encoding()
    assert codec.encode({"id": "o1"}) == ORDER
    codec = make("protobuf", text=SOURCE, message="shop.Order.Note", register=True)
    await codec.prepare_encoding()
    assert codec.encode({"text": "n"}) == header(103) + NOTE[5:]
    assert registry.schemas[103].text == SOURCE


async def test_files_of_protobuf_may_import_others(registry, make):
    money = RegisteredSchema(7, "PROTOBUF", 'syntax = "proto3"; message Money { int64 cents = 1; }')
    text = 'syntax = "proto3"; import "a/money.proto"; message Bill { Money sum = 1; }'
    registry.schemas[8] = RegisteredSchema(
        8, "PROTOBUF", text, (Reference("a/money.proto", money),)
    )
    codec, message = make("protobuf"), header(8) + b"\x00\x0a\x02\x08\x05"
    await codec.prepare([message])
    assert codec.decode(message) == {"sum": {"cents": 5}}


async def test_names_of_files_stay_inside_of_their_folder(registry, make, tmp_path):
    evil = RegisteredSchema(7, "PROTOBUF", 'syntax = "proto3";')
    for name in ("../evil.proto", f"{tmp_path}/evil.proto"):
        text = f'syntax = "proto3"; import "{name}"; message M {{}}'
        registry.schemas[8] = RegisteredSchema(8, "PROTOBUF", text, (Reference(name, evil),))
        codec = make("protobuf")
        await codec.prepare([header(8) + b"\x00"])
        with pytest.raises(RejectedError, match="imports a file of the name"):
            codec.decode(header(8) + b"\x00")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "schema", "said"),
    [
        ("json", {"text": "x"}, "it is for avro and protobuf"),
        ("avro", {}, "a schema is needed"),
        ("avro", {"text": "int", "file": "f"}, "expected one of file, text and module"),
        ("avro", {"module": "m"}, "only protobuf has modules"),
        ("avro", {"text": "int", "message": "M"}, "only for protobuf"),
        ("avro", {"registry": "R", "register": True}, "expected a schema to register"),
        ("avro", {"file": "/no/such.avsc"}, "no use"),
    ],
)
def test_options_that_do_not_go_together_are_refused(registry, name, schema, said):
    with pytest.raises((ConfigError, OptionError), match=said):
        configured_codec(name, SchemaOptions(**schema), {"R": registry}.__getitem__)
