"""How a join tells its two sides apart, what their keys are, and how far apart they may be."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from bspump.abc.config import parse_seconds
from bspump.abc.event_time import SOURCE

Which = str | Mapping[str, Any] | Callable[[Any, Any], Any]
"""Which events: what the source of this Id brings, those whose fields have these values, or those
for which a function `(context, event)` is true."""

KeyOf = str | Sequence[str] | Callable[[Any, Any], Hashable] | None
"""What the key is: a field, several, what a function `(context, event)` returns; `None` for none:
all events belong together."""

Keys = KeyOf | Mapping[str, KeyOf]
"""The key of both sides, or of each: `{"left": …, "right": …}`."""

Distance = float | str

_PLAIN = frozenset({str, bytes, int, float, bool, type(None)})


def predicate_of(which: Which) -> Callable[[Any, Any], Any]:
    """Return the function that tells whether an event is meant. Raises ValueError for what cannot.

    >>> is_order = predicate_of({"kind": "order"})
    >>> is_order({}, {"kind": "order", "id": 7}), is_order({}, {"kind": "payment"})
    (True, False)
    """
    if callable(which):
        return which
    if isinstance(which, str):
        return lambda context, _event: context.get(SOURCE) == which
    if isinstance(which, Mapping) and which:
        return _having(which)
    raise ValueError(f"expected the Id of a source, fields or a function, got {which!r}")


def _having(fields: Mapping[str, Any]) -> Callable[[Any, Any], bool]:
    wanted = list(fields.items())
    if len(wanted) == 1:
        name, value = wanted[0]
        return lambda _context, event: event.get(name) == value
    return lambda _context, event: all(event.get(name) == value for name, value in wanted)


def key_functions(key: Keys) -> tuple[Callable[[Any, Any], Hashable], ...]:
    """Return what finds the key of a left event, and of a right one.

    Raises:
        ValueError: it is said for one side and not for the other.
    """
    if not isinstance(key, Mapping):
        return (_key_function(key),) * 2
    if set(key) != {"left", "right"}:
        raise ValueError(f"key: expected one for `left` and one for `right`, got {dict(key)!r}")
    return _key_function(key["left"]), _key_function(key["right"])


def _key_function(key: KeyOf) -> Callable[[Any, Any], Hashable]:
    if key is None:
        return lambda _context, _event: ()
    if callable(key):
        return key
    if isinstance(key, str):
        return lambda _context, event: event[key]
    names = tuple(key)
    return lambda _context, event: tuple([event[name] for name in names])


def distance_ms(distance: Distance) -> int:
    """Return a duration in milliseconds, which may be negative. Raises ValueError if it is none.

    >>> distance_ms("-5m"), distance_ms(1.5)
    (-300000, 1500)
    """
    if isinstance(distance, str) and distance.startswith("-"):
        return -round(parse_seconds(distance[1:]) * 1000)
    if isinstance(distance, int | float) and not isinstance(distance, bool):
        return round(distance * 1000)
    return round(parse_seconds(distance) * 1000)


def interval_ms(within: Distance | Sequence[Distance]) -> tuple[int, int]:
    """Return the first and the last distance. Raises ValueError if they are none.

    >>> interval_ms(("-5m", "10m")), interval_ms("1s")
    ((-300000, 600000), (-1000, 1000))
    """
    if isinstance(within, str | int | float):
        apart_ms = distance_ms(within)
        within = (-apart_ms / 1000, apart_ms / 1000)
    if len(within) != 2:
        raise ValueError(f"within: expected one duration or two, got {within!r}")
    first_ms, last_ms = map(distance_ms, within)
    if first_ms > last_ms:
        raise ValueError(f"within: expected the earlier one first, got {within!r}")
    return first_ms, last_ms


def copied(value: Any) -> Any:
    """Return a copy of plain data that shares nothing with it that could be changed.

    >>> copied({"a": [1, {"b": 2}], "c": (3,)})
    {'a': [1, {'b': 2}], 'c': (3,)}
    """
    kind = type(value)
    if kind is dict:
        # Most are flat.
        if _PLAIN.issuperset(map(type, value.values())):
            return value.copy()
        return {name: copied(each) for name, each in value.items()}
    if kind is list:
        return [copied(each) for each in value]
    if kind is tuple:
        return tuple([copied(each) for each in value])
    return value
