r"""Codecs of messages that are taken as they are: bytes and text.

>>> TextCodec(encoding="latin-1").decode(b"caf\xe9")
'café'
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any

from bspump.abc.codec import Codec
from bspump.abc.errors import ConfigError

from .reject import rejected


class BytesCodec(Codec):
    """An event is the message itself, as `bytes`.

    A newline inside an event stays where it is, so `encode_lines` of such an event reads back
    as two.
    """

    def decode(self, message: bytes, /) -> bytes:
        return message

    def encode(self, event: Any, /) -> bytes:
        if isinstance(event, bytes):
            return event
        if isinstance(event, bytearray | memoryview):
            return bytes(event)
        raise rejected("bytes", "bytes", event)

    def decode_lines(self, block: bytes, /) -> list[Any]:
        return [line for line in block.split(b"\n") if line]


class TextCodec(Codec):
    """An event is a `str`.

    A newline inside an event stays where it is, so `encode_lines` of such an event reads back
    as two. Encodings in which the byte 10 is no newline, such as UTF-16, need another framing:
    their `decode_lines` and `encode_lines` raise `ConfigError`.

    Args:
        encoding: a name Python knows, for example `utf-8` or `latin-1`.
        errors: `strict` rejects a message with wrong bytes; `replace` and `backslashreplace`
            put a mark or an escape in their place.

    Raises:
        ConfigError: there is no such encoding or error handler.
    """

    def __init__(self, *, encoding: str = "utf-8", errors: str = "strict") -> None:
        try:
            self._encoding = codecs.lookup(encoding).name
            # Bytes that are no text reach their codecs only by name; refuse them here.
            "".encode(encoding)
            codecs.lookup_error(errors)
        except LookupError as error:
            raise ConfigError(f"codec 'text': {error}") from error
        self._errors = errors
        self._has_lines = b"\n".decode(encoding, "replace") == "\n"

    def decode(self, message: bytes, /) -> str:
        try:
            return message.decode(self._encoding, self._errors)
        except UnicodeError as error:
            raise rejected("text", f"{self._encoding} text", message, str(error)) from error

    def encode(self, event: Any, /) -> bytes:
        if not isinstance(event, str):
            raise rejected("text", "a str", event)
        try:
            return event.encode(self._encoding, self._errors)
        except UnicodeError as error:
            raise rejected("text", f"{self._encoding} text", event, str(error)) from error

    def decode_lines(self, block: bytes, /) -> list[Any]:
        self._check_lines()
        return [line for line in self.decode(block).split("\n") if line]

    def encode_lines(self, events: Sequence[Any], /) -> bytes:
        self._check_lines()
        for event in events:
            if not isinstance(event, str):
                raise rejected("text", "a str", event)
        return self.encode("".join([event + "\n" for event in events]))

    def _check_lines(self) -> None:
        if not self._has_lines:
            raise ConfigError(
                f"codec 'text': {self._encoding} cannot be split at newline bytes\n"
                "  what to do: use a length-prefix framing"
            )
