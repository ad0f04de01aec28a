"""Codecs by name.

>>> codec("json").decode(b"[1, 2]")
[1, 2]
>>> codec("jsno")
Traceback (most recent call last):
    ...
bspump.abc.errors.UnknownNameError: codec 'jsno' is not defined [C012]
  used by: an option `codec`
  defined: 'avro', 'bytes', 'csv', 'json', 'logfmt', 'msgpack', 'protobuf', 'raw', 'text'
  did you mean 'json'?
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from bspump.abc.codec import Codec
from bspump.abc.errors import ConfigError, DuplicateNameError, RejectedError, UnknownNameError

from .avro_codec import AvroCodec
from .csv_codec import CsvCodec
from .json_codec import JsonCodec
from .logfmt import LogfmtCodec
from .msgpack_codec import MsgpackCodec
from .plain import BytesCodec, TextCodec
from .protobuf_codec import ProtobufCodec

_FACTORIES: dict[str, Callable[..., Codec]] = {
    "avro": AvroCodec,
    "bytes": BytesCodec,
    "csv": CsvCodec,
    "json": JsonCodec,
    "logfmt": LogfmtCodec,
    "msgpack": MsgpackCodec,
    "protobuf": ProtobufCodec,
    "raw": BytesCodec,
    "text": TextCodec,
}


def codec(name: str, schema: Any = None, **options: Any) -> Codec:
    """Return the codec called `name`.

    Args:
        name: one of `codec_names()`.
        schema: the type of the events, for codecs that can decode to one.
        options: the keyword arguments of the codec's class.

    Raises:
        UnknownNameError: there is no such codec.
        ConfigError: it has no such option, takes no schema, or refuses a value.
    """
    factory = _FACTORIES.get(name)
    if factory is None:
        raise UnknownNameError("codec", name, used_by="an option `codec`", known=codec_names())
    known = set(inspect.signature(factory).parameters)
    if schema is not None:
        if "schema" not in known:
            raise ConfigError(f"codec {name!r}: takes no schema, got {schema!r}")
        options["schema"] = schema
    for option in options:
        if option not in known:
            lines = [
                f"codec {name!r}: there is no option {option!r}",
                f"  defined: {', '.join(map(repr, sorted(known - {'schema'}))) or 'none'}",
                *(f"  did you mean {near!r}?" for near in get_close_matches(option, known, n=1)),
            ]
            raise ConfigError("\n".join(lines))
    return factory(**options)


def codec_names() -> list[str]:
    """Return the names of all codecs, sorted."""
    return sorted(_FACTORIES)


def register_codec(name: str, factory: Callable[..., Codec]) -> None:
    """Make `codec(name, …)` return `factory(schema=…, …)`; the schema is passed if one is given.

    Raises:
        DuplicateNameError: the name is taken.
    """
    if name in _FACTORIES:
        first = getattr(_FACTORIES[name], "__name__", repr(_FACTORIES[name]))
        second = getattr(factory, "__name__", repr(factory))
        raise DuplicateNameError("codec", name, first=first, second=second)
    _FACTORIES[name] = factory


def decode_block(codec: Codec, block: bytes) -> tuple[list[Any], list[tuple[bytes, RejectedError]]]:
    r"""Decode newline-delimited messages so that a broken one spoils only itself.

    As fast as `codec.decode_lines` when nothing is broken.

    Returns:
        The events in their order, and each broken line with its error.

    >>> decode_block(codec("json"), b'{"a":1}\n{oops\n{"a":3}\n')[0]
    [{'a': 1}, {'a': 3}]
    """
    try:
        return codec.decode_lines(block), []
    except RejectedError:
        events: list[Any] = []
        broken: list[tuple[bytes, RejectedError]] = []
        for line in block.split(b"\n"):
            try:
                # Not `decode`: what counts as an empty line is the codec's to say.
                events += codec.decode_lines(line)
            except RejectedError as error:
                broken.append((line, error))
        return events, broken
