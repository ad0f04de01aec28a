"""Schemas at a real registry: Apicurio, by the interface of Confluent's."""

from __future__ import annotations

import json
import uuid

import pytest

pytest.importorskip("fastavro")

import bspump
from bspump.abc.errors import ConfigError, NotConnectedError, RejectedError
from bspump.abc.schemas import RegisteredSchema
from bspump.clients.schema_registry import SchemaRegistryConnection

pytestmark = pytest.mark.integration


def avro(*fields):
    fields = [{"name": name, **kind} for name, kind in fields]
    # A name of its own: a registry gives equal schemas one id.
    record = {"type": "record", "name": f"R{uuid.uuid4().hex}", "fields": fields}
    return RegisteredSchema(0, "AVRO", json.dumps(record))


@pytest.fixture
def subject():
    return uuid.uuid4().hex


@pytest.fixture
async def connection(registry):
    app = bspump.BSPumpApplication(args=[])
    connection = SchemaRegistryConnection(app, "R", {"url": registry.url})
    yield connection
    await connection.close()


async def test_a_registered_schema_is_found_in_every_way(connection, subject):
    own = avro(("a", {"type": "int"}))
    with pytest.raises(ConfigError, match="not registered under"):
        await connection.find(subject, own)
    with pytest.raises(ConfigError, match="no version"):
        await connection.version(subject, "latest")
    registered = await connection.register(subject, own)
    assert registered.text == own.text
    assert await connection.register(subject, own) == registered
    connection._cache.clear()
    assert (await connection.find(subject, own)).id == registered.id
    for version in ("1", "latest"):
        found = await connection.version(subject, version)
        assert (found.id, json.loads(found.text)) == (registered.id, json.loads(own.text))
    connection._cache.clear()
    assert json.loads((await connection.schema(registered.id)).text) == json.loads(own.text)


async def test_an_id_that_there_is_not_is_rejected(connection):
    with pytest.raises(RejectedError, match="there is no schema of id 999999"):
        await connection.schema(999_999)


async def test_what_is_not_compatible_is_refused_with_the_reason(connection, subject):
    own = avro(("a", {"type": "int"}))
    name = json.loads(own.text)["name"]
    assert await connection.incompatibilities(subject, own) == []
    await connection.register(subject, own)
    answer = await connection._ask("GET", f"/subjects/{subject}/versions/latest")
    assert answer.status == 200
    async with connection._session.put(
        f"{connection.Options.url}/config/{subject}", json={"compatibility": "BACKWARD"}
    ) as response:
        assert response.status == 200
    other = RegisteredSchema(0, "AVRO", own.text.replace('"int"', '"string"'))
    (reason, *_) = await connection.incompatibilities(subject, other)
    assert "STRING" in reason
    with pytest.raises(ConfigError, match="not compatible"):
        await connection.register(subject, other)
    newer = json.loads(own.text)
    newer["fields"].append({"name": "b", "type": "int", "default": 1})
    compatible = RegisteredSchema(0, "AVRO", json.dumps(newer))
    assert name in compatible.text
    assert await connection.incompatibilities(subject, compatible) == []
    assert (await connection.register(subject, compatible)).id > 0


async def test_what_is_no_schema_is_refused(connection, subject):
    with pytest.raises(ConfigError, match="is refused"):
        await connection.register(subject, RegisteredSchema(0, "AVRO", "{nonsense"))


async def test_imports_come_along(connection, subject):
    line = avro(("n", {"type": "int"}))
    name = json.loads(line.text)["name"]
    await connection.register(f"{subject}-line", line)
    order = avro(("line", {"type": name}))
    reference = {"name": name, "subject": f"{subject}-line", "version": 1}
    body = {"schema": order.text, "references": [reference]}
    answer = await connection._ask("POST", f"/subjects/{subject}/versions", body)
    found = await connection.schema(answer.content["id"])
    assert [each.name for each in found.references] == [name]
    assert json.loads(found.references[0].schema.text) == json.loads(line.text)


async def test_an_outage_is_over_when_the_registry_is_back(registry, connection):
    registry.kill()
    with pytest.raises(NotConnectedError):
        await connection.schema(1)
    registry.start()
    with pytest.raises(RejectedError):
        await connection.schema(999_999)
