"""The logfmt codec: `key=value` pairs on one line.

>>> codec = LogfmtCodec()
>>> codec.decode(b'level=info msg="user logged in" cached')
{'level': 'info', 'msg': 'user logged in', 'cached': True}
>>> codec.encode({"level": "info", "took_ms": 12, "cached": True, "user": None})
b'level=info took_ms=12 cached'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from bspump.abc.codec import Codec

from .fields import cell, convert, fields_of
from .plain import TextCodec
from .reject import rejected

_PAIR = re.compile(
    r"""([^\s="]+)                     # the key
        (?:=(?:"((?:[^"\\]|\\.)*+)"    # a quoted value,
             |([^\s"]\S*|)             # a bare one or none,
           ))?                         # or the key alone
        (?:\s+|$)""",
    re.VERBOSE | re.DOTALL,
)
_NEEDS_QUOTES = re.compile(r'[\s"=\\\x00-\x1f\x7f]')
_KEY = re.compile(r'[^\s="\\\x00-\x1f\x7f]+')
_ESCAPED = re.compile(r"((?:\\u[0-9a-fA-F]{4})+)|\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(r'["\\\x00-\x1f\x7f]')
_SHORT = {"n": "\n", "r": "\r", "t": "\t"}
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "\\": r"\\"}


class LogfmtCodec(Codec):
    r"""An event is a dict of `str`; a key that stands alone is True.

    Values with spaces, quotes or control characters stand in double quotes, where `\"`, `\\`,
    `\n`, `\r`, `\t` and `\uXXXX` are escapes. A key that comes twice keeps its last value.
    None is left out, False is written as `false`, nested values as JSON. An event with nothing
    to write is rejected.

    Args:
        schema: a `msgspec.Struct` or `TypedDict`; values are converted to the types it declares.

    Raises:
        ConfigError: the schema has no named fields.
    """

    def __init__(self, schema: Any = None) -> None:
        if schema is not None:
            fields_of("logfmt", schema)
        self._schema = schema
        self._text = TextCodec()

    def decode(self, message: bytes, /) -> Any:
        text = self._text.decode(message).strip()
        event: dict[str, Any] = {}
        at = 0
        while at < len(text):
            found = _PAIR.match(text, at)
            if found is None:
                raise rejected("logfmt", f"key=value at position {at}", text[at:])
            key, quoted, bare = found.groups()
            if quoted is not None:
                event[key] = _ESCAPED.sub(_unescape, quoted) if "\\" in quoted else quoted
            else:
                event[key] = True if bare is None else bare
            at = found.end()
        if not event:
            raise rejected("logfmt", "key=value pairs", message)
        return event if self._schema is None else convert("logfmt", event, self._schema)

    def encode(self, event: Any, /) -> bytes:
        if isinstance(event, msgspec.Struct):
            event = msgspec.to_builtins(event)
        if not isinstance(event, Mapping):
            raise rejected("logfmt", "a dict", event)
        pairs = []
        for key, value in event.items():
            if not isinstance(key, str) or _KEY.fullmatch(key) is None:
                raise rejected("logfmt", "keys without spaces, quotes and '='", key)
            if value is True:
                pairs.append(key)
            elif value is not None:
                pairs.append(f"{key}={_quote(cell('logfmt', value))}")
        if not pairs:
            raise rejected("logfmt", "at least one field that is not None", event)
        return self._text.encode(" ".join(pairs))


def _unescape(found: re.Match[str]) -> str:
    codes, other = found.groups()
    if codes is None:
        return _SHORT.get(other, other)
    # Beyond the first plane a character is a pair; half a pair is no character.
    units = bytes.fromhex(codes.replace("\\u", ""))
    return units.decode("utf-16-be", "replace")


def _quote(text: str) -> str:
    if _NEEDS_QUOTES.search(text) is None:
        return text
    return '"' + _TO_ESCAPE.sub(lambda m: _ESCAPES.get(m[0], f"\\u{ord(m[0]):04x}"), text) + '"'
