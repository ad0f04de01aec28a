"""From what an event has as its time to Unix milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

from bspump.abc.errors import ProcessingError

_PER_MS = {"s": 0.001, "ms": 1, "us": 1_000, "ns": 1_000_000}


def converter(form: str, zone: tzinfo = UTC) -> Callable[[Any], int]:
    """Return what makes Unix milliseconds of a value, rounded down.

    >>> converter("iso")("2013-02-08T12:00:00.5Z"), converter("s")("1.5")
    (1360324800500, 1500)

    Args:
        form: `s`, `ms`, `us`, `ns` for numbers (or texts of them), `iso` for ISO 8601, or a
            format as `datetime.strptime` has them. A `datetime` is understood in any case.
        zone: of what names none.

    Raises:
        ValueError: there is no such form.
    """
    if form in _PER_MS:
        return _Number(_PER_MS[form], zone)
    if form == "iso" or "%" in form:
        return _Text(form, zone)
    raise ValueError(
        f"expected one of {', '.join(_PER_MS)}, iso, or a strptime format, got {form!r}"
    )


class _Number:
    def __init__(self, per_ms: float, zone: tzinfo) -> None:
        self._per_ms, self._zone = per_ms, zone

    def __call__(self, value: Any) -> int:
        if isinstance(value, datetime):
            return of_datetime(value, self._zone)
        try:
            if isinstance(value, bool) or value is None:
                raise ValueError  # noqa: TRY301
            number = value if isinstance(value, int | float) else _number(value)
            if self._per_ms == 1:
                return int(number // 1)
            if self._per_ms < 1:
                # Twice, for 0.001 is no binary number: 1.001 s are 1001 ms.
                return int(round(number * 1_000_000) // 1000)
            return int(number // self._per_ms)
        except (TypeError, ValueError, OverflowError):
            raise ProcessingError(f"expected a number as its time, got {value!r}") from None


class _Text:
    def __init__(self, form: str, zone: tzinfo) -> None:
        self._form, self._zone = form, zone

    def __call__(self, value: Any) -> int:
        if isinstance(value, datetime):
            return of_datetime(value, self._zone)
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        try:
            if self._form == "iso":
                moment = datetime.fromisoformat(text)
            else:
                moment = datetime.strptime(text, self._form)  # noqa: DTZ007 - the zone follows
        except (TypeError, ValueError):
            raise ProcessingError(
                f"expected a time of the format {self._form!r}, got {value!r}"
            ) from None
        return of_datetime(moment, self._zone)


def of_datetime(moment: datetime, zone: tzinfo = UTC) -> int:
    """Return Unix milliseconds, rounded down; `zone` is that of a naive one."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    since = aware - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _number(text: Any) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
