"""An event as rules see it: values by the names of their fields, looked up once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

KEYWORDS = ""
"""In place of a field: all values of an event, wherever they are."""

_NOTHING: tuple[Any, ...] = ()


class Fields:
    """Knows where events have the fields that rules name.

    Args:
        mapping: the name in events by the name in rules; all others are called the same. A dot
            leads into a mapping or a struct, unless there is a field of the whole name.
    """

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self._mapping = dict(mapping)

    def values(self, event: Any, field: str) -> tuple[Any, ...]:
        """Return what an event has in a field: nothing, a value, or the items of a list."""
        if field == KEYWORDS:
            return tuple(_leaves(event))
        name = self._mapping.get(field, field)
        value = event
        if isinstance(event, Mapping) and name in event:
            value = event[name]
        else:
            for part in name.split("."):
                if isinstance(value, Mapping) and part in value:
                    value = value[part]
                elif isinstance(value, msgspec.Struct) and part in value.__struct_fields__:
                    value = getattr(value, part)
                else:
                    return _NOTHING
        return tuple(value) if isinstance(value, list | tuple) else (value,)


class _Raw(dict[str, tuple[Any, ...]]):
    """Values by field, as they are."""

    def __init__(self, fields: Fields, event: Any) -> None:
        self._fields, self._event = fields, event

    def __missing__(self, field: str) -> tuple[Any, ...]:
        found = self[field] = self._fields.values(self._event, field)
        return found


class _Low(dict[str, tuple[str, ...]]):
    """Values by field, as text in lower case."""

    def __init__(self, raw: _Raw) -> None:
        self._raw = raw

    def __missing__(self, field: str) -> tuple[str, ...]:
        values = self._raw[field]
        if len(values) == 1 and type(values[0]) is str:
            found: tuple[str, ...] = (values[0].lower(),)
        else:
            found = tuple(text_of(v).lower() for v in values if v is not None)
        self[field] = found
        return found


class View:
    """One event, for the time that rules look at it.

    Attributes:
        raw: values by field; nothing where there is none, several where there is a list.
        low: the same as text in lower case, without nulls.
    """

    __slots__ = ("low", "raw")

    def __init__(self, fields: Fields, event: Any) -> None:
        self.raw = _Raw(fields, event)
        self.low = _Low(self.raw)


def text_of(value: Any) -> str:
    """Return a value as text; numbers that are equal are the same text.

    >>> [text_of(value) for value in ("A", 4.0, 4, True, b"a")]
    ['A', '4', '4', 'true', 'a']
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _leaves(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, msgspec.Struct):
            each = {name: getattr(each, name) for name in each.__struct_fields__}
        if isinstance(each, Mapping):
            waiting += reversed(list(each.values()))
        elif isinstance(each, list | tuple):
            waiting += reversed(each)
        elif each is not None:
            yield each
