"""Messages of Protobuf to dicts and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any, Final

from bspump.abc.extras import require

from .protobuf_types import EXTRA

Convert = Callable[[Any], Any]


def _plain(message: Any) -> Any:
    return require("google.protobuf.json_format", extra=EXTRA).MessageToDict(message)


# More than that no parser of Protobuf reads.
_DEEPEST: Final = 100
_SPECIAL: Final[dict[str, Convert]] = {
    "google.protobuf.Timestamp": lambda message: message.ToDatetime(tzinfo=UTC),
    "google.protobuf.Duration": lambda message: message.ToTimedelta(),
    "google.protobuf.Struct": _plain,
    "google.protobuf.ListValue": _plain,
}


class MessageReader:
    """Makes dicts of messages of one type.

    Args:
        message: descriptor of the type.
        known: the readers of other types by name, for types that contain each other.
    """

    def __init__(self, message: Any, known: dict[str, MessageReader]) -> None:
        known[message.full_name] = self
        self._fields = [
            (field.name, field.has_presence, _converter(field, known)) for field in message.fields
        ]

    def __call__(self, message: Any) -> dict[str, Any]:
        """Return what a message contains.

        A field that can be told to be missing, and is, is left out. All others have the value
        that the type begins with.
        """
        event = {}
        for name, has_presence, convert in self._fields:
            if has_presence and not message.HasField(name):
                continue
            value = getattr(message, name)
            event[name] = value if convert is None else convert(value)
        return event


def reader_of(message: Any, known: dict[str, MessageReader]) -> Convert:
    """Return what makes values of messages of one type."""
    return _SPECIAL.get(message.full_name) or (
        known.get(message.full_name) or MessageReader(message, known)
    )


def is_recursive(message: Any) -> bool:
    """Tell whether messages of a type may contain messages of that type, to any depth."""
    return _finds(message, (), set())


def too_deep(event: Any) -> bool:
    """Tell whether values are nested more deeply than a message can be."""
    level, depth = [event], 0
    while level:
        if depth > _DEEPEST:
            return True
        depth += 1
        level = [inner for value in level for inner in _inside(value)]
    return False


def _inside(value: Any) -> list[Any]:
    values = value.values() if isinstance(value, dict) else value
    return [each for each in values if isinstance(each, dict | list | tuple)]


def _finds(message: Any, above: tuple[str, ...], seen: set[str]) -> bool:
    if message.full_name in above:
        return True
    if message.full_name in seen:
        return False
    seen.add(message.full_name)
    above = (*above, message.full_name)
    inner = [field.message_type for field in message.fields if field.message_type is not None]
    return any(_finds(each, above, seen) for each in inner)


def _converter(field: Any, known: dict[str, MessageReader]) -> Convert | None:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        of_value = _single(inner.fields_by_name["value"], known)
        if of_value is None:
            return dict
        return lambda values: {key: of_value(values[key]) for key in values}
    single = _single(field, known)
    if not field.is_repeated:
        return single
    return list if single is None else lambda values: [single(value) for value in values]


def _single(field: Any, known: dict[str, MessageReader]) -> Convert | None:
    if field.message_type is not None:
        return reader_of(field.message_type, known)
    if field.enum_type is not None:
        # Numbers may have come with a newer schema, and stay numbers.
        names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
        return lambda number: names.get(number, number)
    return None
