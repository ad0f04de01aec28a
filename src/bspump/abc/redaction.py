"""What must stay secret, wherever values are shown: in logs, in errors, on pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "***"

_SECRET_WORD = re.compile(
    r"(.*(password|passwd|passphrase|secret|token|authorization|credentials?|cookie|apikey)"
    r"|pass|pwd)"
)
_SECRET_PAIR = re.compile(r"(api|private|access|secret|signing|encryption)[ _.-]?key$")
_WORDS = re.compile(r"[_.:\s-]+|(?<=[a-z])(?=[A-Z])")
# Up to the last `@` before the path: people do not always escape the one in a password.
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^/\s]+(?=@)")
_PASSWORD_PAIR = re.compile(
    r"(?i)((?:password|passwd|passphrase|pwd|secret|token|api[_-]?key)\s?=\s?)"
    r"(\"[^\"]*\"|'[^']*'|[^\s&;,'\"]+)"
)
_MAX_DEPTH = 16


def is_secret(name: str) -> bool:
    """Tell whether a field, option or header of this name holds something to be kept secret.

    >>> is_secret("sasl.password"), is_secret("X-Api-Key"), is_secret("tokens_per_s")
    (True, True, False)
    """
    words = [word.lower() for word in _WORDS.split(name)]
    return any(_SECRET_WORD.fullmatch(word) for word in words) or bool(
        _SECRET_PAIR.search(" ".join(words))
    )


def redact_text(text: str) -> str:
    """Return `text` without passwords of URLs and without what `password=`, `token=`… announce.

    >>> redact_text("GET https://joe:x@host/?token=abc&page=2")
    'GET https://joe:***@host/?token=***&page=2'
    """
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\1:{REDACTED}", text)
    if "=" in text:
        text = _PASSWORD_PAIR.sub(rf"\1{REDACTED}", text)
    return text


def redact(value: Any, name: str = "", *, depth: int = _MAX_DEPTH) -> Any:
    """Return `value` without what must stay secret; mappings and lists are copied.

    What is nested deeper than `depth` levels, or contains itself, ends in `…`.

    >>> redact({"user": "joe", "password": "x", "url": "http://joe:x@host/"})
    {'user': 'joe', 'password': '***', 'url': 'http://joe:***@host/'}
    """
    if name and value is not None and is_secret(name):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if not isinstance(value, Mapping | list | tuple):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {key: redact(inner, str(key), depth=depth - 1) for key, inner in value.items()}
    return [redact(inner, depth=depth - 1) for inner in value]
