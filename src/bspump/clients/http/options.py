r"""How a client of HTTP connects: headers, credentials, TLS and time limits, as options.

>>> parse_headers("Accept: text/csv\nX-Tenant: a:b")
{'Accept': 'text/csv', 'X-Tenant': 'a:b'}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Protocol

from msgspec import Meta

from bspump.abc.options import Duration, Options, Size
from bspump.clients.sockets.tls import VerifyMode

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_EXPECTED = "Expected headers such as `Accept: text/csv`, one on a line"


def parse_headers(value: Any) -> dict[str, str]:
    r"""Return headers: of a mapping, of a list of `Name: value`, or of such lines.

    >>> parse_headers({"Accept": "*/*"}), parse_headers(["A: 1"]), parse_headers("")
    ({'Accept': '*/*'}, {'A': '1'}, {})

    Raises:
        ValueError: it is none of these, or holds characters that a header cannot have.
    """
    if isinstance(value, str):
        text = value.strip()
        value = _parse_json(text) if text.startswith("{") else text.splitlines()
    if isinstance(value, Mapping):
        pairs = [(str(name), str(content)) for name, content in value.items()]
    elif isinstance(value, Iterable):
        pairs = [_pair(line) for line in value if str(line).strip()]
    else:
        raise ValueError(_EXPECTED)  # noqa: TRY004 - options expect a ValueError
    for name, content in pairs:
        if not _NAME.fullmatch(name) or any(ord(c) < 32 and c != "\t" for c in content):
            raise ValueError(_EXPECTED)
    return dict(pairs)


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(_EXPECTED) from error


def _pair(line: Any) -> tuple[str, str]:
    name, colon, content = str(line).partition(":")
    if not colon:
        raise ValueError(_EXPECTED)
    return name.strip(), content.strip()


Headers = Annotated[
    dict[str, str],
    Meta(
        description="Headers of every request: a mapping, or `Name: value` on each line.",
        extra={"parse": parse_headers},
    ),
]
MaxBodyBytes = Annotated[Size, Meta(description="Bytes of one answer, decompressed, at the most.")]


class TlsOptions(Options, frozen=True, kw_only=True):
    """Whom to trust, and how to show who one is."""

    ca: Annotated[
        str, Meta(description="File with the authorities that are trusted; else the system's.")
    ] = ""
    cert: Annotated[str, Meta(description="File with the certificate to show (PEM).")] = ""
    key: Annotated[str, Meta(description="File with its private key; default is `cert`.")] = ""
    key_password: Annotated[str, Meta(description="Password of the private key.")] = ""
    verify: Annotated[
        bool, Meta(description="Verify the server and its name; off only for experiments.")
    ] = True

    # The names by which `bspump.clients.sockets.tls` asks for the same things.
    @property
    def cafile(self) -> str:
        """The file with the authorities."""
        return self.ca

    @property
    def password(self) -> str:
        """The password of the private key."""
        return self.key_password

    @property
    def verify_mode(self) -> VerifyMode:
        """Whether the peer is verified."""
        return "" if self.verify else "CERT_NONE"


class TimeoutOptions(Options, frozen=True, kw_only=True):
    """How long to wait; 0 means for ever."""

    connect: Annotated[Duration, Meta(description="Until a connection is made.")] = 10.0
    read: Annotated[
        Duration, Meta(description="Between two pieces of an answer, and before the first.")
    ] = 60.0
    total: Annotated[
        Duration, Meta(description="For one request, from the first byte to the last.")
    ] = 300.0


class AuthOptions(Options, frozen=True, kw_only=True):
    """Credentials: a user with a password (basic), or a token (bearer)."""

    user: Annotated[str, Meta(description="User of basic authentication.")] = ""
    password: Annotated[str, Meta(description="Password of that user.")] = ""
    token: Annotated[str, Meta(description="Bearer token, instead of user and password.")] = ""


class HttpSettings(Protocol):
    """The options of a part that is a client of HTTP.

    A part whose options have another base declares these fields itself: structs have one base.
    """

    @property
    def headers(self) -> dict[str, str]: ...
    @property
    def auth(self) -> AuthOptions: ...
    @property
    def tls(self) -> TlsOptions: ...
    @property
    def timeout(self) -> TimeoutOptions: ...


class HttpClientOptions(Options, frozen=True, kw_only=True):
    """What every client of HTTP can be told."""

    headers: Headers = {}  # noqa: RUF012 - each struct gets a dict of its own
    auth: AuthOptions = AuthOptions()
    tls: TlsOptions = TlsOptions()
    timeout: TimeoutOptions = TimeoutOptions()
    max_body_bytes: MaxBodyBytes = 64 << 20
