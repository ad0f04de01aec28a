"""Lookups that are fetched by HTTP, from real servers on the loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
import stat
from contextlib import asynccontextmanager

import pytest
import trustme
from aiohttp import web

import bspump
from bspump.abc.errors import ConfigError, NotConnectedError, RejectedError, TransientError
from bspump.lookup import DictionaryLookup
from bspump.testing import eventually


class Master:
    """A server of one lookup, which does as the test says."""

    def __init__(self):
        self.body, self.etag, self.status, self.delay_s = b'{"a": 1}', '"1"', 200, 0.0
        self.requests = []
        self.url = ""

    async def answer(self, request):
        self.requests.append(request)
        await asyncio.sleep(self.delay_s)
        if self.status == 200 and self.etag and request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304, headers={"ETag": self.etag})
        headers = {"ETag": self.etag} if self.etag else {}
        return web.Response(body=self.body, status=self.status, headers=headers)

    @asynccontextmanager
    async def serving(self, context=None):
        application = web.Application()
        application.router.add_get("/{tail:.*}", self.answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"{'https' if context else 'http'}://localhost:{port}/users"
        try:
            yield self
        finally:
            await runner.cleanup()


@pytest.fixture
async def master():
    async with Master().serving() as server:
        yield server


def lookup_of(app, url, id="Users", **options):
    lookup = DictionaryLookup(app, id, config={"source_url": url})
    lookup.Provider = type(lookup.Provider)(lookup, url, config=options)
    return lookup


async def test_it_is_fetched_once_and_again_only_when_it_has_changed(app, master):
    lookup = lookup_of(app, master.url)
    assert await lookup.load() is True
    assert dict(lookup) == {"a": 1}
    assert lookup.rest_get()["ETag"] == '"1"'
    assert await lookup.load() is False
    master.body, master.etag = b'{"b": 2}', '"2"'
    assert await lookup.load() is True
    assert dict(lookup) == {"b": 2}
    assert [r.headers.get("If-None-Match") for r in master.requests] == [None, '"1"', '"1"']
    # What masters of the original read.
    assert [r.headers.get("ETag") for r in master.requests] == [None, '"1"', '"1"']


async def test_a_server_without_etags_is_asked_for_everything_each_time(app, master):
    master.etag = ""
    lookup = lookup_of(app, master.url)
    assert await lookup.load() is True
    assert await lookup.load() is True


async def test_the_path_of_the_master_is_the_id_of_the_lookup(app, master):
    url = master.url.removesuffix("/users")
    lookup = DictionaryLookup(app, "Users", config={"master_url": url})
    await lookup.load()
    assert master.requests[0].path == "/bspump/v1/lookup/Users"


@pytest.mark.parametrize("status", [401, 404, 429, 500, 501, 503, 204])
async def test_an_answer_without_content_keeps_the_old_one(app, master, status):
    lookup = lookup_of(app, master.url)
    await lookup.load()
    master.status = status
    with pytest.raises((TransientError, ConfigError), match=str(status)) as caught:
        await lookup.load()
    assert "lookup 'Users'" in str(caught.value)
    assert dict(lookup) == {"a": 1}
    master.status, master.etag = 200, '"2"'
    assert await lookup.load() is True


async def test_a_server_that_is_away_is_said_to_be(app):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NotConnectedError, match=f"localhost:{port}"):
        await lookup_of(app, f"http://localhost:{port}/").load()


async def test_a_server_that_is_slow_is_given_up(app, master):
    master.delay_s = 5
    with pytest.raises(TransientError, match="master_timeout"):
        await lookup_of(app, master.url, master_timeout="50ms").load()


async def test_credentials_of_the_url_reach_the_server_and_no_message(app, master):
    master.status = 503
    url = master.url.replace("://", "://me:secret@")
    with pytest.raises(TransientError) as caught:
        await lookup_of(app, url).load()
    assert master.requests[0].headers["Authorization"].startswith("Basic ")
    assert "secret" not in str(caught.value)


async def test_a_token_reaches_the_server(app, master):
    await lookup_of(app, master.url, **{"auth.token": "t"}).load()
    assert master.requests[0].headers["Authorization"] == "Bearer t"


async def test_content_that_is_too_large_is_rejected(app, master):
    lookup = lookup_of(app, master.url, max_body_bytes="4")
    with pytest.raises(RejectedError, match="longer than 4 bytes"):
        await lookup.load()


async def test_content_of_no_use_is_fetched_again_and_not_kept_on_disk(app, master, tmp_path):
    master.body = b"<html>"
    lookup = lookup_of(app, master.url, cache_dir=str(tmp_path))
    for _ in range(2):
        with pytest.raises(RejectedError):
            await lookup.load()
    assert [r.headers.get("If-None-Match") for r in master.requests] == [None, None]
    assert list(tmp_path.iterdir()) == []


async def test_a_start_while_the_master_is_away_uses_the_copy_on_disk(app, master, tmp_path):
    await lookup_of(app, master.url, cache_dir=str(tmp_path)).load()
    master.status = 503
    lookup = lookup_of(app, master.url, cache_dir=str(tmp_path))
    assert await lookup.load() is True
    assert dict(lookup) == {"a": 1}
    shown = lookup.rest_get()
    assert "503" in shown["last_error"]
    assert "age_s" not in shown
    with pytest.raises(TransientError):
        await lookup.load()
    master.status = 200
    assert await lookup.load() is False
    assert "last_error" not in lookup.rest_get()


async def test_a_start_with_a_copy_that_is_up_to_date_fetches_nothing(app, master, tmp_path):
    await lookup_of(app, master.url, cache_dir=str(tmp_path)).load()
    master.body = b"not sent"
    lookup = lookup_of(app, master.url, cache_dir=str(tmp_path))
    assert await lookup.load() is True
    assert dict(lookup) == {"a": 1}
    assert master.requests[-1].headers["If-None-Match"] == '"1"'
    assert "last_error" not in lookup.rest_get()


async def test_a_copy_of_no_use_does_not_come_back(app, master, tmp_path):
    good = lookup_of(app, master.url, cache_dir=str(tmp_path))
    await good.load()
    path = good.Provider.CachePath
    path.write_bytes(path.read_bytes().replace(b"{", b"["))
    lookup = lookup_of(app, master.url, cache_dir=str(tmp_path))
    with pytest.raises(RejectedError):
        await lookup.load()
    assert await lookup.load() is True
    assert dict(lookup) == {"a": 1}
    again = lookup_of(app, master.url, cache_dir=str(tmp_path))
    assert await again.load() is True


@pytest.mark.parametrize("damage", [b"", b"ab", b"\xff\xff\xff\xff\n", b"\x02\x00\x00\x00ab"])
async def test_a_damaged_copy_is_as_good_as_none(app, master, tmp_path, damage):
    good = lookup_of(app, master.url, cache_dir=str(tmp_path))
    await good.load()
    good.Provider.CachePath.write_bytes(damage)
    lookup = lookup_of(app, master.url, cache_dir=str(tmp_path))
    assert await lookup.load() is True
    assert dict(lookup) == {"a": 1}


async def test_each_lookup_has_a_copy_of_its_own(app, master, tmp_path):
    first = lookup_of(app, master.url, "A/B", cache_dir=str(tmp_path))
    second = lookup_of(app, master.url, "A_B", cache_dir=str(tmp_path))
    other = lookup_of(app, f"{master.url}?other", "A_B", cache_dir=str(tmp_path))
    paths = {lookup.Provider.CachePath for lookup in (first, second, other)}
    assert len(paths) == 3
    assert {path.parent for path in paths} == {tmp_path}


async def test_a_copy_can_be_read_by_its_owner_only(app, master, tmp_path):
    lookup = lookup_of(app, master.url, cache_dir=str(tmp_path / "new"))
    await lookup.load()
    assert stat.S_IMODE(lookup.Provider.CachePath.stat().st_mode) == 0o600


async def test_without_a_directory_or_told_so_no_copy_is_kept(app, master, tmp_path):
    assert lookup_of(app, master.url).Provider.CachePath is None
    lookup = lookup_of(app, master.url, use_cache="no", cache_dir=str(tmp_path))
    assert lookup.Provider.CachePath is None
    await lookup.load()
    assert list(tmp_path.iterdir()) == []


async def test_copies_are_in_the_directory_of_the_application(tmp_path):
    app = bspump.BSPumpApplication(args=["--set", f"[general] var_dir={tmp_path}"])
    async with app.running(), Master().serving() as master:
        await lookup_of(app, master.url).load()
    names = [path.name for path in tmp_path.iterdir()]
    assert len([name for name in names if not name.startswith("state.sqlite")]) == 1


async def test_a_copy_that_cannot_be_written_is_said_and_does_no_harm(
    app, master, tmp_path, caplog
):
    (tmp_path / "file").write_text("")
    lookup = lookup_of(app, master.url, cache_dir=str(tmp_path / "file"))
    assert await lookup.load() is True
    assert dict(lookup) == {"a": 1}
    assert "copy of the lookup cannot be written" in caplog.messages


async def test_a_master_is_verified_by_the_authority_that_is_named(app, tmp_path):
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Master().serving(context) as master:
        with pytest.raises(NotConnectedError, match=r"tls\.ca"):
            await lookup_of(app, master.url).load()
        lookup = lookup_of(app, master.url, **{"tls.ca": str(tmp_path / "ca.pem")})
        assert await lookup.load() is True


async def test_a_connection_that_breaks_in_the_middle_changes_nothing(app):
    async def half(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a": 1}')
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        lookup = lookup_of(app, f"http://127.0.0.1:{port}/")
        lookup.set({"old": 1})
        with pytest.raises(NotConnectedError):
            await lookup.load()
    assert dict(lookup) == {"old": 1}


async def test_a_cancelled_load_can_be_repeated(app, master):
    lookup = lookup_of(app, master.url)
    master.delay_s = 5
    task = asyncio.ensure_future(lookup.load())
    await eventually(lambda: master.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    master.delay_s = 0
    assert await lookup.load() is True
