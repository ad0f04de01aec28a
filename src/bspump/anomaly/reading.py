"""What is read of an event, and whether one can reckon with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .detector import Observation

# Squares of it, and sums of many, are still numbers.
_LARGEST = 1e100
# The years 1 and 9999, a day away from where calendars end.
_FIRST_MS, _LAST_MS = -62_135_510_400_000, 253_402_214_400_000


def read_field(event: Any, name: str) -> Any:
    """Return a field of a mapping, or an attribute of any other event; `None` if there is none."""
    if isinstance(event, Mapping):
        return event.get(name)
    return getattr(event, name, None)


def checked_observation(value: Any) -> Observation | None:
    """Return numbers that are finite and not enormous, as `float`, `None` where there are none.

    >>> checked_observation("12.5"), checked_observation(float("nan")), checked_observation("NA")
    (12.5, None, None)
    >>> checked_observation({"delay": 3, "wind": None})
    {'delay': 3.0}
    """
    if isinstance(value, Mapping):
        numbers = {name: found for name in value if (found := _number(value[name])) is not None}
        return numbers or None
    return _number(value)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # Not so for what is not a number, either.
    return number if -_LARGEST <= number <= _LARGEST else None


def checked_time(value: Any) -> int | None:
    """Return a time in Unix milliseconds as `int`, `None` if it is none.

    >>> checked_time("1360351800000"), checked_time(1e300), checked_time(None)
    (1360351800000, None, None)
    """
    try:
        at_ms = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return at_ms if _FIRST_MS <= at_ms <= _LAST_MS else None
