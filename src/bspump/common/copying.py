"""Copies of events for whoever must not see what is done to the original."""

from __future__ import annotations

import copy
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

_UNCHANGEABLE: Final = frozenset(
    {str, bytes, int, float, bool, type(None), complex, Decimal, UUID}
    | {date, datetime, time, timedelta}
)


def copied(event: Any) -> Any:
    """Return a deep copy of `event`.

    Several times faster than `copy.deepcopy` on what JSON is made of; an object that stands in
    two places of a dict or list comes out as two.

    >>> event = {"a": [1, 2]}
    >>> copied(event) == event, copied(event)["a"] is event["a"]
    (True, False)
    """
    try:
        return _copied(event)
    except RecursionError:  # It contains itself, perhaps.
        return copy.deepcopy(event)


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind in _UNCHANGEABLE:
        return value
    if kind is dict:
        return {k: v if type(v) in _UNCHANGEABLE else _copied(v) for k, v in value.items()}
    if kind is list:
        return [v if type(v) in _UNCHANGEABLE else _copied(v) for v in value]
    return copy.deepcopy(value)
