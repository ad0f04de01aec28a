r"""The JSON codec: dicts by default, typed events where a schema is declared.

>>> codec = JsonCodec()
>>> codec.decode(b'{"user": "ann", "ok": true}')
{'user': 'ann', 'ok': True}
>>> codec.encode_lines([{"a": 1}, {"a": 2}])
b'{"a":1}\n{"a":2}\n'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bspump.abc.codec import Codec
from bspump.abc.errors import ConfigError

from .fields import plain_value
from .reject import rejected

# All that JSON has but `null`, as no event is None.
_ANY_EVENT: Final = dict | list | str | int | float | bool
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOT_JSON: Final = (TypeError, ValueError, RecursionError, msgspec.MsgspecError)


class JsonCodec(Codec):
    """An event is what one JSON document holds, or an instance of `schema`.

    A document `null` is rejected: None is no event. Integers of any size keep their value; NaN
    and infinity are written as `null`. Bytes, sets, decimals, moments and the like, which JSON
    lacks, are written as `msgspec` writes them: base64, arrays, text.

    Args:
        schema: what every document must be, usually a `msgspec.Struct`; None takes any JSON.
        strict: False also takes `"1"` where the schema asks for a number.

    Raises:
        ConfigError: the schema is not a type that can be decoded to.
    """

    def __init__(self, schema: Any = None, *, strict: bool = True) -> None:
        wanted = _ANY_EVENT if schema is None else schema
        try:
            self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(wanted, strict=strict)
        except TypeError as error:
            raise ConfigError(f"codec 'json': the schema {schema!r} is no use: {error}") from error
        self._encoder = msgspec.json.Encoder(enc_hook=plain_value)
        self._expected = (
            "a JSON document" if schema is None else f"a JSON {getattr(schema, '__name__', schema)}"
        )

    def decode(self, message: bytes, /) -> Any:
        try:
            return self._decoder.decode(message)
        except _BROKEN as error:
            raise rejected("json", self._expected, message, str(error)) from error

    def encode(self, event: Any, /) -> bytes:
        try:
            return self._encoder.encode(event)
        except _NOT_JSON as error:
            raise rejected("json", "values that JSON can hold", event, str(error)) from error

    def decode_lines(self, block: bytes, /) -> list[Any]:
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        try:
            # Not `Decoder.decode_lines`, which is a tenth faster: it takes a document over two
            # lines too, so that a broken line could swallow the one after it.
            return list(map(self._decoder.decode, lines))
        except _BROKEN:
            # Singly, to pass over blank lines and to name the line at fault.
            return [self.decode(line) for line in lines if line.strip()]

    def encode_lines(self, events: Sequence[Any], /) -> bytes:
        try:
            return self._encoder.encode_lines(events)
        except _NOT_JSON:
            return super().encode_lines(events)
