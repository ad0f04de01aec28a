"""The Protobuf codec: one message of one type, as a dict or as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bspump.abc.codec import Codec
from bspump.abc.errors import ConfigError
from bspump.abc.extras import require

from .avro_codec import no_lines
from .protobuf_types import EXTRA, find_message, load_file
from .protobuf_values import is_recursive, reader_of, too_deep
from .reject import rejected


class ProtobufCodec(Codec):
    """An event is one message of a type: a dict, or with `as_message` the message itself.

    In a dict, fields have the names of the schema. Enumerations are the names of their values (a
    number that has none stays a number), timestamps are `datetime` in UTC and durations are
    `timedelta`, both cut to microseconds; a `Struct` is a dict, wrappers are `{"value": …}`. What
    is not set and can be told from a zero is missing; fields that the schema does not know are
    dropped. An event for which the schema has no place is rejected; `None` means not set.

    Messages that are equal are encoded to equal bytes. They may contain any byte, so they need a
    framing that counts: `decode_lines` and `encode_lines` raise `ConfigError`.

    Args:
        schema: a module that `protoc` has made, or its name; a message class; the bytes of a
            descriptor set; the `Path` of a file with such bytes, or of a `.proto` file.
        message: full name of the type; it may be left out where the schema has one only.
        as_message: decode to messages instead of dicts.

    Raises:
        ConfigError: the schema cannot be used, or has no such type.
    """

    def __init__(self, schema: Any = None, *, message: str = "", as_message: bool = False) -> None:
        if schema is None:
            raise ConfigError("codec 'protobuf': a schema is needed: a module, a class or a Path")
        found = find_message(load_file(schema), message or _name_of(schema))
        self._decode = protobuf_decoder(found, as_message=as_message)
        self._encode = protobuf_encoder(found)

    def decode(self, message: bytes, /) -> Any:
        return self._decode(message)

    def encode(self, event: Any, /) -> bytes:
        return self._encode(event)

    def decode_lines(self, block: bytes, /) -> list[Any]:
        raise no_lines("protobuf")

    def encode_lines(self, events: Sequence[Any], /) -> bytes:
        raise no_lines("protobuf")


def protobuf_decoder(message: Any, *, as_message: bool) -> Callable[[bytes], Any]:
    """Return what decodes messages of a type."""
    parse = _class_of(message).FromString
    read = None if as_message else reader_of(message, {})
    expected = f"a message {message.full_name}"

    def decode(raw: bytes) -> Any:
        try:
            found = parse(raw)
            return found if read is None else read(found)
        # Also a moment that Python has no date for.
        except Exception as error:
            raise rejected("protobuf", expected, raw, _reason(error)) from error

    return decode


def protobuf_encoder(message: Any) -> Callable[[Any], bytes]:
    """Return what encodes events, dicts or messages, of a type."""
    make = _class_of(message)
    any_message = require("google.protobuf.message", extra=EXTRA).Message
    name, is_deep = message.full_name, is_recursive(message)

    def encode(event: Any) -> bytes:
        is_message = isinstance(event, any_message)
        if is_message and event.DESCRIPTOR.full_name != name:
            raise rejected("protobuf", f"a message {name}", event.DESCRIPTOR.full_name)
        if is_deep and isinstance(event, dict) and too_deep(event):
            raise rejected("protobuf", f"a message {name}", event, "nested too deeply")
        try:
            found = event if is_message else make(**event)
            return found.SerializeToString(deterministic=True)
        # The library raises whatever stumbles over a value first.
        except Exception as error:
            raise rejected("protobuf", f"a message {name}", event, _reason(error)) from error

    return encode


def _class_of(message: Any) -> Any:
    return require("google.protobuf.message_factory", extra=EXTRA).GetMessageClass(message)


def _name_of(schema: Any) -> str:
    """Return the name of the type if the schema is a class of messages."""
    descriptor = getattr(schema, "DESCRIPTOR", None) if isinstance(schema, type) else None
    return descriptor.full_name if descriptor is not None else ""


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
