"""Values between formats and events: what the codecs share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bspump.abc.errors import ConfigError

from .reject import rejected


def plain_value(value: Any) -> Any:
    """Return the plain form of what `msgspec` has no answer for: its `enc_hook`.

    These are mappings that are no dict, and subclasses of `str`, `int` and `float`, such as the
    numbers of numpy.

    Raises:
        TypeError: there is none.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"values of type {type(value).__name__} cannot be written")


def cell(where: str, value: Any) -> str:
    """Return `value` as text: None is empty, booleans as in JSON, nested values as JSON.

    Raises:
        RejectedError: a nested value cannot be expressed.

    >>> [cell("csv", value) for value in ("a", None, True, 1.5, {"b": [1]})]
    ['a', '', 'true', '1.5', '{"b":[1]}']
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        if type(value) in {int, float}:
            return repr(value)
        builtins = msgspec.to_builtins(value, enc_hook=plain_value)
        return builtins if isinstance(builtins, str) else msgspec.json.encode(builtins).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise rejected(where, "a value that text can hold", value, str(error)) from error


def convert(where: str, event: dict[str, Any], schema: Any) -> Any:
    """Return `event` as an instance of `schema`, its text converted to the declared types.

    Raises:
        RejectedError: a field is missing or is not of its type.
    """
    try:
        return msgspec.convert(event, schema, strict=False)
    except msgspec.ValidationError as error:
        expected = getattr(schema, "__name__", str(schema))
        raise rejected(where, expected, event, str(error)) from error


def fields_of(where: str, schema: Any) -> tuple[str, ...]:
    """Return the names of the fields of `schema`, as they are written.

    Raises:
        ConfigError: it is not a type with named fields.
    """
    info = None
    try:
        info = msgspec.inspect.type_info(schema)
    except TypeError as error:
        raise ConfigError(f"codec {where!r}: the schema {schema!r} is no use: {error}") from error
    fields = getattr(info, "fields", None)
    if not fields:
        raise ConfigError(f"codec {where!r}: the schema {schema!r} has no named fields")
    return tuple(field.encode_name for field in fields)


def nullable_of(schema: Any) -> frozenset[str]:
    """Return the fields of `schema` whose empty text can only mean None: `int | None`, say."""
    info: Any = msgspec.inspect.type_info(schema)
    kinds = {field.encode_name: _kinds(field.type) for field in info.fields}
    empty = {msgspec.inspect.StrType, msgspec.inspect.BytesType, msgspec.inspect.AnyType}
    return frozenset(
        name
        for name, found in kinds.items()
        if msgspec.inspect.NoneType in found and not found & empty
    )


def _kinds(info: Any) -> set[type]:
    arms = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    return {type(arm) for arm in arms}
