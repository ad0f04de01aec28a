"""What a client makes of the answers of a registry; a server that gives each answer on demand."""

from __future__ import annotations

import base64
import ssl

import pytest
import trustme
from aiohttp import web

import bspump
from bspump.abc.errors import ConfigError, NotConnectedError, RejectedError, TransientError
from bspump.abc.schemas import RegisteredSchema
from bspump.clients.schema_registry import SchemaRegistryConnection
from bspump.testing import ManualClock

OWN = RegisteredSchema(0, "AVRO", '"int"')


class Registry:
    """Answers each request as it was told, and remembers them."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.headers = []
        self.url = ""

    def says(self, path, content, status=200):
        self.answers[path] = (content, status)

    async def handle(self, request):
        self.asked.append(f"{request.method} {request.raw_path}")
        self.headers.append(request.headers)
        content, status = self.answers.get(request.raw_path, ("no such page", 404))
        if isinstance(content, dict | list):
            return web.json_response(content, status=status)
        return web.Response(text=content, status=status)


async def started(registry, context=None):
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", registry.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    registry.url = f"http{'s' if context else ''}://localhost:{runner.addresses[0][1]}/api"
    return runner


@pytest.fixture
async def registry():
    registry = Registry()
    runner = await started(registry)
    yield registry
    await runner.cleanup()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def connect(clock, registry):
    app = bspump.BSPumpApplication(args=[], clock=clock)
    made = []

    def connect(**config):
        made.append(SchemaRegistryConnection(app, "R", {"url": registry.url, **config}))
        assert app.Config.problems == []
        return made[-1]

    yield connect
    for connection in made:
        await connection.close()


async def test_what_never_changes_is_asked_for_once(registry, connect):
    connection = connect()
    registry.says("/api/schemas/ids/7", {"schema": '"int"'})
    registry.says("/api/subjects/a/versions/3", {"id": 8, "schema": '"long"', "version": 3})
    registry.says("/api/subjects/a", {"id": 9})
    registry.says("/api/subjects/b/versions", {"id": 9})
    for _ in range(3):
        assert await connection.schema(7) == RegisteredSchema(7, "AVRO", '"int"')
        assert await connection.version("a", "3") == RegisteredSchema(8, "AVRO", '"long"')
        assert (await connection.find("a", OWN)).id == 9
        assert (await connection.register("b", OWN)).id == 9
    assert len(registry.asked) == 4


async def test_no_more_is_kept_than_was_said(registry, connect):
    connection = connect(cache_size=2)
    for id_ in range(4):
        registry.says(f"/api/schemas/ids/{id_}", {"schema": '"int"'})
        await connection.schema(id_)
    assert connection.rest_get()["schemas"] == 2
    await connection.schema(0)
    assert len(registry.asked) == 5


async def test_the_latest_version_is_asked_for_again_after_a_while(registry, connect, clock):
    connection = connect(latest_for=60)
    registry.says("/api/subjects/a/versions/latest", {"id": 1, "schema": '"int"'})
    assert (await connection.version("a", "latest")).id == 1
    registry.says("/api/subjects/a/versions/latest", {"id": 2, "schema": '"int"'})
    assert (await connection.version("a", "latest")).id == 1
    await clock.advance(61)
    assert (await connection.version("a", "latest")).id == 2


async def test_a_schema_comes_with_all_that_it_imports(registry, connect):
    inner = {"name": "inner", "subject": "i", "version": 1}
    middle = {"name": "middle", "subject": "m", "version": 2}
    registry.says("/api/schemas/ids/1", {"schema": "o", "references": [middle, inner]})
    registry.says("/api/subjects/m/versions/2", {"id": 2, "schema": "m", "references": [inner]})
    registry.says("/api/subjects/i/versions/1", {"id": 3, "schema": "i", "schemaType": "AVRO"})
    found = await connect().schema(1)
    assert [each.name for each in found.references] == ["middle", "inner"]
    assert found.references[0].schema.references == (found.references[1],)


async def test_schemas_that_import_each_other_are_refused(registry, connect):
    me = {"name": "me", "subject": "m", "version": 1}
    registry.says("/api/subjects/m/versions/1", {"id": 2, "schema": "m", "references": [me]})
    with pytest.raises(ConfigError, match="imports itself"):
        await connect().version("m", "1")


async def test_names_of_subjects_may_contain_anything(registry, connect):
    registry.says("/api/subjects/a%2Fb%20%3Fc/versions/1", {"id": 1, "schema": '"int"'})
    assert (await connect().version("a/b ?c", "1")).id == 1


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (404, {"error_code": 40403, "message": "Schema not found"}, RejectedError),
        (404, "no such page", ConfigError),
        (404, {"error_code": 404, "message": "HTTP 404 Not Found"}, ConfigError),
        (401, "", ConfigError),
        (403, {"error_code": 40301, "message": "denied"}, ConfigError),
        (429, "", TransientError),
        (500, {"error_code": 50001, "message": "backend"}, TransientError),
        (503, "", TransientError),
        (200, "no JSON", TransientError),
        (200, {}, TransientError),
        (200, [], TransientError),
        (200, {"schema": "x", "references": 5}, TransientError),
    ],
)
async def test_an_answer_says_what_is_to_be_done(registry, connect, status, content, kind):
    registry.says("/api/schemas/ids/1", content, status)
    with pytest.raises(kind, match=r"schema registry: GET http://localhost:\d+/api/schemas/ids/1"):
        await connect().schema(1)


@pytest.mark.parametrize(
    ("status", "said"), [(409, "change the schema, or the compatibility"), (422, "is refused")]
)
async def test_a_schema_that_is_refused_needs_an_operator(registry, connect, status, said):
    registry.says("/api/subjects/a/versions", {"error_code": status, "message": "Why"}, status)
    with pytest.raises(ConfigError, match=said) as caught:
        await connect().register("a", OWN)
    assert "Why" in str(caught.value)


async def test_what_is_not_there_needs_an_operator(registry, connect):
    connection = connect()
    missing = {"error_code": 40401, "message": "Subject 'a' not found."}
    for path in ("/api/subjects/a", "/api/subjects/a/versions/latest"):
        registry.says(path, missing, 404)
    with pytest.raises(ConfigError, match=r"set schema\.register = yes"):
        await connection.find("a", OWN)
    with pytest.raises(ConfigError, match=r"correct schema\.subject"):
        await connection.version("a", "latest")


async def test_an_outage_is_over_when_the_registry_is_back(registry, connect):
    connection = connect(url="http://127.0.0.1:1")
    with pytest.raises(NotConnectedError):
        await connection.schema(1)
    connection = connect()
    with pytest.raises(ConfigError):
        await connection.schema(1)
    registry.says("/api/schemas/ids/1", {"schema": '"int"'})
    assert (await connection.schema(1)).id == 1


async def test_an_answer_that_is_far_too_long_is_not_read(registry, connect):
    registry.says("/api/schemas/ids/1", {"schema": "x" * 100_000})
    with pytest.raises(ConfigError, match="longer than 1000 bytes"):
        await connect(max_body_bytes=1000).schema(1)


async def test_credentials_are_sent_and_never_shown(registry, connect, tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    monkeypatch.setenv("REGISTRY_USER", "joe")
    app = bspump.BSPumpApplication(
        args=[
            *("--set", f"[connection:R] url={registry.url}"),
            *("--set", "[connection:R] auth.user=${env:REGISTRY_USER}"),
            *("--set", f"[connection:R] auth.password=${{file:{secret}}}"),
        ]
    )
    connection = SchemaRegistryConnection(app, "R")
    with pytest.raises(ConfigError) as caught:
        await connection.schema(1)
    await connection.close()
    expected = base64.b64encode(b"joe:s3cret").decode()
    assert registry.headers[-1]["Authorization"] == f"Basic {expected}"
    for shown in (str(caught.value), repr(connection.rest_get())):
        assert "s3cret" not in shown
        assert expected not in shown

    connection = connect(**{"auth.token": "t0ken"})
    with pytest.raises(ConfigError):
        await connection.schema(1)
    assert registry.headers[-1]["Authorization"] == "Bearer t0ken"


async def test_a_registry_is_verified_and_sees_who_asks(connect, tmp_path):
    authority, registry = trustme.CA(), Registry()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ca, cert = tmp_path / "ca.pem", tmp_path / "client.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("joe@example.org").private_key_and_cert_chain_pem.write_to_path(str(cert))
    runner = await started(registry, context)
    try:
        registry.says("/api/schemas/ids/1", {"schema": '"int"'})
        trusting = connect(url=registry.url, **{"tls.ca": str(ca), "tls.cert": str(cert)})
        assert (await trusting.schema(1)).id == 1
        with pytest.raises(NotConnectedError, match=r"tls\.ca"):
            await connect(url=registry.url, **{"tls.cert": str(cert)}).schema(1)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("url", ["nonsense", "ftp://host/", "http://"])
async def test_a_url_of_no_use_is_refused(connect, url):
    with pytest.raises(ConfigError, match="url"):
        await connect(url=url).schema(1)
