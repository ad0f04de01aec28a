"""Headers, credentials, TLS and time limits as options."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from bspump.abc.errors import ConfigError, NotConnectedError, ProcessingError
from bspump.clients.http.errors import raise_for_status, transfer_errors
from bspump.clients.http.options import (
    AuthOptions,
    HttpClientOptions,
    TimeoutOptions,
    TlsOptions,
    parse_headers,
)
from bspump.clients.http.session import (
    checked_url,
    client_headers,
    client_timeout,
    drain,
    open_session,
    read_body,
    tls_context,
)


@pytest.mark.parametrize(
    ("written", "headers"),
    [
        ("A: 1\n  B:2  \n\n", {"A": "1", "B": "2"}),
        ('{"A": "x: y"}', {"A": "x: y"}),
        (["A: 1"], {"A": "1"}),
        ({"A": 1}, {"A": "1"}),
        ("", {}),
        ([], {}),
    ],
)
def test_headers_can_be_written_in_several_ways(written, headers):
    assert parse_headers(written) == headers


@pytest.mark.parametrize(
    "written", ["no colon", "{oops", 7, None, {"A B": "1"}, {"A": "1\r\nB: 2"}, ": x", {"": "x"}]
)
def test_what_can_be_no_header_is_refused(written):
    with pytest.raises(ValueError, match="headers"):
        parse_headers(written)


@pytest.mark.parametrize(
    "url", ["", "host/path", "ftp://host/", "http://", "http:///x", "http://h:port/", "http://[::1"]
)
def test_a_url_of_no_use_is_refused(url):
    with pytest.raises(ConfigError, match="url: expected a URL"):
        checked_url(url)


@pytest.mark.parametrize("url", ["http://h", "https://[::1]:8443/x?y#z", "wss://h/", "HTTP://h/"])
def test_a_url_that_can_be_asked_is_taken(url):
    assert checked_url(url) == url


@pytest.mark.parametrize(
    ("auth", "headers", "url"),
    [
        (AuthOptions(user="u", token="t"), {}, "http://h/"),
        (AuthOptions(password="p"), {"authorization": "x"}, "http://h/"),
        (AuthOptions(token="t"), {}, "http://u:p@h/"),
    ],
)
def test_credentials_stand_in_one_place(auth, headers, url):
    with pytest.raises(ConfigError, match="in one place") as caught:
        client_headers(HttpClientOptions(auth=auth, headers=headers), url)
    assert "p@" not in str(caught.value)


def test_time_limits_are_the_configured_ones_and_zero_is_none():
    limits = client_timeout(TimeoutOptions())
    assert (limits.sock_connect, limits.sock_read, limits.total) == (10, 60, 300)
    limits = client_timeout(TimeoutOptions(connect=0, read=0, total=0))
    assert (limits.connect, limits.sock_connect, limits.sock_read, limits.total) == (None,) * 4


def test_without_options_tls_is_that_of_the_system():
    assert tls_context(TlsOptions()) is None


@pytest.mark.parametrize("option", ["ca", "cert"])
def test_a_missing_file_of_tls_is_named(option, tmp_path):
    missing = str(tmp_path / "nowhere.pem")
    with pytest.raises(ConfigError, match=r"nowhere\.pem"):
        tls_context(TlsOptions(**{option: missing}))


async def ask(url, **options):
    """Ask and return the text of the answer, with errors translated."""
    options = HttpClientOptions(**options)
    async with open_session(options, url) as session:
        with transfer_errors(f"GET {url}"):
            async with session.get(url) as response:
                await raise_for_status(response, where=f"GET {url}", now_s=0)
                return (await read_body(response, options.max_body_bytes)).decode()


async def test_a_server_with_an_unknown_certificate_is_not_trusted(https):
    with pytest.raises(NotConnectedError, match=r"tls\.ca"):
        await ask(https.url)


async def test_an_authority_from_the_options_is_trusted(https):
    assert await ask(https.url, tls=TlsOptions(ca=https.ca)) == "nobody"


async def test_the_name_in_the_certificate_counts(https):
    url = https.url.replace("localhost", "127.0.0.1")
    with pytest.raises(NotConnectedError, match="not trusted"):
        await ask(url, tls=TlsOptions(ca=https.ca))


async def test_verification_can_be_switched_off(https):
    assert await ask(https.url, tls=TlsOptions(verify=False)) == "nobody"


async def test_a_client_can_show_a_certificate(https):
    tls = TlsOptions(ca=https.ca, cert=https.client_cert, key=https.client_key)
    assert await ask(https.url, tls=tls) == "joe@example.org"


async def test_plain_http_where_tls_is_spoken_is_not_connected(https):
    with pytest.raises(NotConnectedError):
        await ask(https.url.replace("https", "http"))


async def test_a_body_is_bounded_and_an_unread_one_closes_the_connection(serve):
    peers = []

    async def handle(request):
        peers.append(request.transport.get_extra_info("peername"))
        return web.Response(body=b"x" * 200_000)

    async with serve(handle) as url, aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            with pytest.raises(ProcessingError, match="longer than 1000 bytes"):
                await read_body(response, 1000)
        async with session.get(url) as response:
            await drain(response, 1000)
        async with session.get(url) as response:
            await drain(response, 200_000)
        async with session.get(url) as response:
            assert len(await read_body(response, 200_000)) == 200_000
    assert len(set(peers)) == 3
    assert peers[2] == peers[3]
