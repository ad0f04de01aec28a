"""Sessions of HTTP as the options say, and bodies that cannot fill the memory."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bspump.abc.errors import ConfigError, ProcessingError
from bspump.clients.sockets.tls import client_context

from .errors import shown_url
from .options import HttpSettings, TimeoutOptions, TlsOptions

if TYPE_CHECKING:
    import aiohttp

_SCHEMES = ("http", "https", "ws", "wss")


def checked_url(url: str) -> str:
    """Return `url`.

    Raises:
        ConfigError: it has no host, or another scheme than http, https, ws and wss.
    """
    try:
        parts = urlsplit(url)
        # A port that is no number shows only when it is asked for.
        is_usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigError(
            f"url: expected a URL such as `https://host/path`, got {shown_url(url)!r}"
        )
    return url


def tls_context(options: TlsOptions) -> ssl.SSLContext | None:
    """Return what a client of TLS needs, `None` if there is nothing to be said.

    Raises:
        ConfigError: a file cannot be used.
    """
    return None if options == TlsOptions() else client_context(options)


def client_headers(options: HttpSettings, url: str) -> dict[str, str]:
    """Return the headers of every request, credentials included.

    Raises:
        ConfigError: there are credentials of more than one kind.
    """
    auth = options.auth
    headers = {"User-Agent": "bspump", **options.headers}
    named = [
        *(["auth.user"] if auth.user or auth.password else []),
        *(["auth.token"] if auth.token else []),
        *(["headers: Authorization"] if "authorization" in map(str.lower, headers) else []),
        *(["url"] if urlsplit(url).username is not None else []),
    ]
    if len(named) > 1:
        raise ConfigError(f"expected credentials in one place, got them in {' and '.join(named)}")
    if auth.token:
        headers["Authorization"] = f"Bearer {auth.token}"
    elif named == ["auth.user"]:
        pair = f"{auth.user}:{auth.password}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return headers


def client_timeout(options: TimeoutOptions) -> aiohttp.ClientTimeout:
    """Return the time limits in the form that the library takes."""
    import aiohttp

    return aiohttp.ClientTimeout(
        total=options.total or None,
        sock_connect=options.connect or None,
        sock_read=options.read or None,
    )


def open_session(
    options: HttpSettings, url: str, *, context: ssl.SSLContext | bool | None = None
) -> aiohttp.ClientSession:
    """Return a session; nothing is connected before the first request. Close it.

    Redirects to another host are followed without the credentials.

    Args:
        options: headers, credentials, TLS and time limits.
        url: what will be asked, for its credentials.
        context: TLS made by the caller; it comes before the options. False verifies nothing.

    Raises:
        ConfigError: the url or an option is of no use.
    """
    import aiohttp

    headers = client_headers(options, checked_url(url))
    found = context if context is not None else tls_context(options.tls)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=found if found is not None else True),
        headers=headers,
        timeout=client_timeout(options.timeout),
    )


async def drain(response: aiohttp.ClientResponse, max_bytes: int = 1 << 16) -> None:
    """Read what nobody needs, so that the connection can be used again; give up beyond a limit."""
    size_bytes = 0
    async for piece in response.content.iter_any():
        size_bytes += len(piece)
        if size_bytes > max_bytes:
            response.close()
            return


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the whole body, decompressed.

    Raises:
        ProcessingError: it is longer than `max_bytes`; nothing more is read.
    """
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > max_bytes:
            response.close()
            raise ProcessingError(
                f"{shown_url(response.url)}: the answer is longer than {max_bytes} bytes\n"
                f"  what to do: ask for less at a time, or raise max_body_bytes"
            )
    return bytes(body)


def merged_headers(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    """Return both, the second over the first, whatever the case of their names.

    >>> merged_headers({"Accept": "*/*", "A": "1"}, {"accept": "text/csv"})
    {'A': '1', 'accept': 'text/csv'}
    """
    taken = {name.lower() for name in second}
    return {**{k: v for k, v in first.items() if k.lower() not in taken}, **second}
