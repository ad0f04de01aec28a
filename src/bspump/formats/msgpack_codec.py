r"""The MessagePack codec.

>>> codec = MsgpackCodec()
>>> codec.decode(codec.encode({"id": 7, "raw": b"\x00"}))
{'id': 7, 'raw': b'\x00'}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from bspump.abc.codec import Codec
from bspump.abc.errors import ConfigError

from .fields import plain_value
from .reject import rejected


class MsgpackCodec(Codec):
    """An event is what one MessagePack value holds, or an instance of `schema`.

    A message that holds nil is rejected: None is no event.

    Messages may contain any byte, newlines too, so they need a framing that counts:
    `decode_lines` and `encode_lines` raise `ConfigError`.

    Args:
        schema: what every message must be, usually a `msgspec.Struct`; None takes any value.
        strict: False also takes `"1"` where the schema asks for a number.

    Raises:
        ConfigError: the schema is not a type that can be decoded to.
    """

    def __init__(self, schema: Any = None, *, strict: bool = True) -> None:
        try:
            self._decoder = msgspec.msgpack.Decoder(
                Any if schema is None else schema, strict=strict
            )
        except TypeError as error:
            raise ConfigError(
                f"codec 'msgpack': the schema {schema!r} is no use: {error}"
            ) from error
        self._encoder = msgspec.msgpack.Encoder(enc_hook=plain_value)

    def decode(self, message: bytes, /) -> Any:
        try:
            event = self._decoder.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
            # TypeError: a map whose key is a list or a map, which no dict can hold.
            raise rejected("msgpack", "one MessagePack value", message, str(error)) from error
        if event is None:
            raise rejected("msgpack", "one MessagePack value", message, "nil is no event")
        return event

    def encode(self, event: Any, /) -> bytes:
        try:
            return self._encoder.encode(event)
        except (
            TypeError,
            ValueError,
            OverflowError,
            RecursionError,
            msgspec.MsgspecError,
        ) as error:
            expected = "values that MessagePack can hold"
            raise rejected("msgpack", expected, event, str(error)) from error

    def decode_lines(self, block: bytes, /) -> list[Any]:
        raise _no_lines()

    def encode_lines(self, events: Sequence[Any], /) -> bytes:
        raise _no_lines()


def _no_lines() -> ConfigError:
    return ConfigError(
        "codec 'msgpack': its messages are binary and cannot be split at newlines\n"
        "  what to do: use a length-prefix framing"
    )
