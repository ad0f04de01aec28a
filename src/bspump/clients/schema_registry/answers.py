"""Requests to a schema registry, and what its answers mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from bspump.abc.errors import ConfigError, ProcessingError, TransientError
from bspump.clients.http.errors import shown_url, status_error, transfer_errors
from bspump.clients.http.session import read_body

if TYPE_CHECKING:
    import aiohttp

CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_SHOWN_CHARACTERS: Final = 500
# What is not there: subject, version, schema. Any other 404 is none of a registry.
_MISSING: Final = range(40401, 40404)


class Answer(NamedTuple):
    """What a registry answered.

    Args:
        status: 200; 404 where what was asked for is not there; 409 and 422 where it refuses.
        content: the JSON object.
        said: its own words about a refusal.
        where: the request, as messages name it.
    """

    status: int
    content: Mapping[str, Any]
    said: str
    where: str


async def ask(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    body: Mapping[str, Any] | None = None,
    *,
    max_bytes: int,
    now_s: float,
) -> Answer:
    """Send a request and return what was answered.

    Raises:
        NotConnectedError, TransientError: there is no answer, or a 5xx.
        ConfigError: the registry does not let us in, or is none.
    """
    where = f"schema registry: {method} {shown_url(url)}"
    data = None if body is None else msgspec.json.encode(body)
    headers = {"Accept": f"{CONTENT_TYPE}, application/json", "Content-Type": CONTENT_TYPE}
    with transfer_errors(where, now_s):
        async with session.request(method, url, data=data, headers=headers) as response:
            try:
                raw = await read_body(response, max_bytes)
            except ProcessingError as error:
                raise ConfigError(str(error)) from error
            content = _json(raw)
            status, said = response.status, _said(raw, content)
            if status == 200 and content is None:
                raise TransientError(f"{where}: expected a JSON object, got {said!r}")
            is_refused = method == "POST" and status in (409, 422)
            if status == 200 or is_refused or (status == 404 and _is_missing(content)):
                return Answer(status, content or {}, said, where)
            raise status_error(status, response.headers, where=where, now_s=now_s, detail=said)


def _is_missing(content: Mapping[str, Any] | None) -> bool:
    return content is not None and content.get("error_code") in _MISSING


def _json(raw: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _said(raw: bytes, content: Mapping[str, Any] | None) -> str:
    said = None if content is None else content.get("message")
    text = said if isinstance(said, str) else raw[:_SHOWN_CHARACTERS].decode("utf-8", "replace")
    text = " ".join(text.split())[:_SHOWN_CHARACTERS]
    return "".join([c if c.isprintable() else "?" for c in text])
