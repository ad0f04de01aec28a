"""What statuses and the exceptions of the library mean to the engine. The only such table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PumpError,
    RejectedError,
    TransientError,
)

from .retry_after import wait_s

_LATER: Final = frozenset({408, 425, 429})
_NEVER: Final = frozenset({401, 403, 404, 405, 407, 410, 421, 426, 501, 505})
_ADVICE: Final = {
    401: "check auth.user and auth.password, or auth.token",
    403: "check the credentials and what they permit",
    404: "check the url",
    405: "check the method and the url",
    407: "check the proxy",
}


def shown_url(url: object) -> str:
    """Return a URL as it may be shown: without credentials, query and fragment.

    >>> shown_url("https://joe:secret@host:8443/path?token=secret#x")
    'https://host:8443/path'
    """
    try:
        parts = urlsplit(str(url))
    except ValueError:
        return "(no URL)"
    # Without a host, credentials may stand where the path is.
    path = parts.path if parts.netloc else parts.path.rpartition("@")[2]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))


def status_error(
    status: int, headers: Mapping[str, str], *, where: str, now_s: float, detail: str = ""
) -> PumpError:
    """Return the error that an answer of this status stands for.

    * 408, 425, 429 and those from 500 on: `TransientError`, with the wait that was asked for;
    * what is no fault of the request's body (401, 403, 404, 405, 407, 410, 421, 426, 501, 505,
      and a redirect that is not followed): `ConfigError`; but a 403 that asks for a wait is
      `TransientError`, since some servers limit rates so;
    * all others below 500: `RejectedError`.

    Args:
        where: the request, such as `POST http://host/path`.
        now_s: the wall clock, for dates in the headers.
        detail: what the server said.
    """
    said = f"{where}: the server answered {status}" + (f": {detail}" if detail else "")
    retry_after_s = wait_s(headers, now_s=now_s)
    if status in _NEVER and not (status == 403 and retry_after_s):
        advice = _ADVICE.get(status)
        return ConfigError(f"{said}\n  what to do: {advice}" if advice else said)
    if 300 <= status < 400:
        # A redirected POST loses its body, and the answer would look like a success.
        target = headers.get("Location")
        hint = f"\n  what to do: set the url to {shown_url(target)}" if target else ""
        return ConfigError(f"{said}, a redirect that is not followed{hint}")
    if status in _LATER or status == 403 or status >= 500:
        return TransientError(said, retry_after_s=retry_after_s)
    if status < 300:
        return TransientError(f"{said}, which was not expected")
    return RejectedError(said)


@contextmanager
def transfer_errors(where: str, now_s: float = 0.0) -> Iterator[None]:
    """Turn what the library raises inside the block into errors of bspump.

    A connection that cannot be made, breaks, or is not trusted is `NotConnectedError`; an answer
    that takes too long or is no HTTP is `TransientError`; a URL of no use is `ConfigError`.

    Args:
        where: the request, such as `POST http://host/path`.
        now_s: the wall clock, for dates in the headers of a refused WebSocket.
    """
    import aiohttp

    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise NotConnectedError(f"{where}: no connection within timeout.connect") from error
    except TimeoutError as error:
        raise TransientError(f"{where}: no answer within timeout.read and timeout.total") from error
    except aiohttp.WSServerHandshakeError as error:
        if error.status == 101:
            raise TransientError(f"{where}: no WebSocket: {error.message}") from error
        raise status_error(error.status, error.headers or {}, where=where, now_s=now_s) from error
    except (aiohttp.RedirectClientError, aiohttp.TooManyRedirects) as error:
        raise TransientError(f"{where}: redirected to nowhere ({type(error).__name__})") from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise ConfigError(f"{where}: not a URL to be asked") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise NotConnectedError(
            f"{where}: the server's certificate is not trusted: {error.certificate_error}\n"
            f"  what to do: name the authority that signed it in tls.ca"
        ) from error
    except aiohttp.ClientConnectionError as error:
        raise NotConnectedError(f"{where}: {_text(error)}") from error
    except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
        raise NotConnectedError(f"{where}: the answer broke off or is no HTTP") from error
    except ConnectionError as error:
        raise NotConnectedError(f"{where}: {_text(error)}") from error


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


async def detail_of(response: Any) -> str:
    """Return the beginning of an answer, on one line, for a message."""
    try:
        beginning: bytes = await response.content.read(200)
    # What the server wanted to say is welcome, but its status is what counts.
    except Exception:  # noqa: BLE001
        return ""
    text = " ".join(beginning.decode("utf-8", "replace").split())
    return "".join([c if c.isprintable() else "?" for c in text])


async def raise_for_status(response: Any, *, where: str, now_s: float) -> None:
    """Raise `status_error` unless the answer is a success (2xx)."""
    if not 200 <= response.status < 300:
        detail = await detail_of(response)
        raise status_error(
            response.status, response.headers, where=where, now_s=now_s, detail=detail
        )
