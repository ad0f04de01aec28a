"""The Avro codec: one value a message, without a header."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, Final

from bspump.abc.codec import Codec
from bspump.abc.errors import ConfigError
from bspump.abc.extras import require

from .avro_schema import AvroSchema, parse_avro
from .reject import rejected

# A level of nesting takes a byte at least, and so many levels fit on the stack of any thread.
_FLAT_BYTES: Final = 500


class AvroCodec(Codec):
    """An event is one value of a schema: a dict for a record.

    Values of logical types are what Python has for them: `datetime`, `date`, `time`, `Decimal`,
    `UUID`. An event must fit the schema: a field that the schema has not, a number out of range
    and a text for a number are rejected; a field that has a default may be missing. A message
    must end where its value ends.

    Messages may contain any byte, so they need a framing that counts: `decode_lines` and
    `encode_lines` raise `ConfigError`. Files of Avro (with a header and blocks) are another format.

    Args:
        schema: a dict or list, JSON text, or the `Path` of a file.
        reader: the schema of the events, where `schema`, with which messages were written, is an
            older or a newer one.

    Raises:
        ConfigError: a schema is no schema.
    """

    def __init__(self, schema: Any = None, *, reader: Any = None) -> None:
        if schema is None:
            raise ConfigError("codec 'avro': a schema is needed: a dict, JSON text or a Path")
        writer = parse_avro(schema)
        self._decode = avro_decoder(writer, None if reader is None else parse_avro(reader))
        self._encode = avro_encoder(writer)

    def decode(self, message: bytes, /) -> Any:
        return self._decode(message)

    def encode(self, event: Any, /) -> bytes:
        return self._encode(event)

    def decode_lines(self, block: bytes, /) -> list[Any]:
        raise no_lines("avro")

    def encode_lines(self, events: Sequence[Any], /) -> bytes:
        raise no_lines("avro")


def avro_decoder(writer: AvroSchema, reader: AvroSchema | None) -> Callable[[bytes], Any]:
    """Return what decodes messages that were written with one schema to events of another."""
    read = require("fastavro", extra="avro").schemaless_reader
    # Written in Python, so that nesting without an end is an error and not the end of the process.
    read_safely = require("fastavro._read_py", extra="avro").schemaless_reader
    is_recursive, reader_schema = writer.is_recursive, reader.parsed if reader else None

    def decode(message: bytes) -> Any:
        stream = io.BytesIO(message)
        is_deep = is_recursive and len(message) > _FLAT_BYTES
        try:
            event = (read_safely if is_deep else read)(stream, writer.parsed, reader_schema)
        # The library raises whatever stumbles over broken bytes first.
        except Exception as error:
            raise rejected("avro", "a value of the schema", message, _reason(error)) from error
        if event is None:
            raise rejected("avro", "a value of the schema", message, "null is no event")
        if stream.tell() != len(message):
            detail = f"{len(message) - stream.tell()} bytes too many"
            raise rejected("avro", "one value of the schema", message, detail)
        return event

    return decode


def avro_encoder(writer: AvroSchema) -> Callable[[Any], bytes]:
    """Return what encodes events of a schema."""
    write = require("fastavro", extra="avro").schemaless_writer
    validate = require("fastavro.validation", extra="avro").validate

    def encode(event: Any) -> bytes:
        stream = io.BytesIO()
        try:
            # Writing alone would make 1 of 1.5, and an int of Avro of what is none.
            validate(event, writer.parsed)
            write(stream, writer.parsed, event, strict_allow_default=True)
        # The library raises whatever stumbles over a value first.
        except Exception as error:
            raise rejected("avro", "a value of the schema", event, _reason(error)) from error
        return stream.getvalue()

    return encode


def no_lines(name: str) -> ConfigError:
    """Return the error of who asks for messages on lines."""
    return ConfigError(
        f"codec {name!r}: its messages are binary and cannot be split at newlines\n"
        "  what to do: use a length-prefix framing"
    )


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
