"""What Avro and Protobuf do with the schemas of a registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bspump.abc.errors import ConfigError
from bspump.abc.schemas import RegisteredSchema

from .avro_codec import avro_decoder, avro_encoder
from .avro_schema import parse_avro
from .protobuf_codec import protobuf_decoder, protobuf_encoder
from .protobuf_types import find_message, indexes_of, load_file, message_at
from .registered import Decode, Encode, SchemaFormat
from .reject import rejected
from .wire_format import read_indexes, write_indexes


class AvroFormat(SchemaFormat):
    """Decode by the schema that a message was written with, to events of our own schema.

    Args:
        own: our own schema: a dict or list, JSON text, or the `Path` of a file. Without one,
            events are what the messages say.

    Raises:
        ConfigError: it is no schema.
    """

    def __init__(self, own: Any = None) -> None:
        self._reader = None if own is None else parse_avro(own)
        self.Own = None if own is None else RegisteredSchema(0, "AVRO", _text(own))

    def decoder(self, schema: RegisteredSchema) -> Decode:
        _check_type(schema, "AVRO")
        return avro_decoder(parse_avro(schema), self._reader)

    def encoder(self, schema: RegisteredSchema) -> Encode:
        _check_type(schema, "AVRO")
        return avro_encoder(parse_avro(schema) if self._reader is None else self._reader)


class ProtobufFormat(SchemaFormat):
    """Decode to our own type, or without one to whatever type of its schema a message is.

    Messages of another type than our own are rejected. To compile the schemas of a registry, the
    extra `protoc` is needed; with a type of our own it is not.

    Args:
        own: our own schema, as `ProtobufCodec` takes it.
        message: full name of our type, or of the only one to take from a schema of the registry.
        as_message: decode to messages instead of dicts.

    Raises:
        ConfigError: the schema cannot be used, or has no such type.
    """

    def __init__(self, own: Any = None, *, message: str = "", as_message: bool = False) -> None:
        self._name, self._as_message = message, as_message
        self._own = None if own is None else find_message(load_file(own), message)
        text = own.read_text(encoding="utf-8") if _is_source(own) else own
        if isinstance(text, str) and "\n" in text:
            self.Own = RegisteredSchema(0, "PROTOBUF", text)

    def any_decoder(self) -> Decode | None:
        if self._own is None:
            return None
        return self._by_indexes(self._own.file)

    def decoder(self, schema: RegisteredSchema) -> Decode:
        _check_type(schema, "PROTOBUF")
        return self._by_indexes(load_file(schema))

    def encoder(self, schema: RegisteredSchema) -> Encode:
        _check_type(schema, "PROTOBUF")
        message = self._own
        if message is None:
            message = find_message(load_file(schema), self._name)
        first, encode = write_indexes(indexes_of(message)), protobuf_encoder(message)
        return lambda event: first + encode(event)

    def _by_indexes(self, file: Any) -> Decode:
        wanted = self._name if self._own is None else self._own.full_name
        decoders: dict[tuple[int, ...], Callable[[bytes], Any]] = {}

        def decode(payload: bytes) -> Any:
            indexes, raw = read_indexes(payload)
            found = decoders.get(indexes)
            if found is None:
                message = message_at(file, indexes)
                name = "" if message is None else message.full_name
                if not name or (wanted and name != wanted):
                    expected = f"a message {wanted}" if wanted else "a message of the schema"
                    raise rejected("protobuf", expected, name or indexes)
                found = protobuf_decoder(message, as_message=self._as_message)
                decoders[indexes] = found
            return found(raw)

        return decode


def _check_type(schema: RegisteredSchema, expected: str) -> None:
    if schema.type != expected:
        raise ConfigError(f"expected a schema of the type {expected}, got one of {schema.type}")


def _text(schema: Any) -> str:
    if isinstance(schema, Path):
        return schema.read_text(encoding="utf-8")
    return schema if isinstance(schema, str) else msgspec.json.encode(schema).decode()


def _is_source(schema: Any) -> bool:
    return isinstance(schema, Path) and schema.suffix == ".proto"
