"""Configuration as parts see it: entries that know where they stand, and a mapping over them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlparse

from .errors import ConfigError, OptionError
from .redaction import REDACTED, is_secret, redact

_UNITS_S = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "M": 2678400.0,
    "y": 31536000.0,
}
_UNITS_BYTES = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_UNITS_BYTES |= {f"{unit}i": 1024**n for n, unit in enumerate("kmgt", 1)}
_DURATION = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(ms|s|m|h|d|w|M|y)?\s*")
_SIZE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*((?:[kKmMgGtT]i?)?)[bB]?\s*")
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")
_BOOLEANS = {"yes": True, "on": True, "true": True, "1": True}
_BOOLEANS |= {"no": False, "off": False, "false": False, "0": False}
_SHOWN_CHARACTERS = 100


class Entry(NamedTuple):
    """A configured value and the place it comes from, such as `pump.conf:14`."""

    value: Any
    place: str

    def __repr__(self) -> str:
        """Return where it stands, not what it is: that may be a secret."""
        return f"<Entry of {self.place}>"


class ConfigSource(Protocol):
    """Where components find their configuration; the application owns one."""

    def entries(self, section: str, /) -> Mapping[str, Entry]:
        """Return what is configured in `section`; an absent section is empty."""

    def report(self, problem: ConfigError, /) -> None:
        """Keep `problem`, so that all are shown together before anything starts."""


def parse_seconds(value: Any) -> float:
    """Return seconds: a number as it is, a text with one of the units `ms s m h d w M y`.

    A month `M` has 31 days and a year `y` 365.

    >>> parse_seconds("250ms"), parse_seconds("1.5h"), parse_seconds(3)
    (0.25, 5400.0, 3.0)

    Raises:
        ValueError: it is neither.
    """
    try:
        if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
            return parse_number(float(match[1]) * _UNITS_S[match[2] or "s"])
        return parse_number(None if isinstance(value, str) else value)
    except ValueError:
        raise ValueError("Expected a duration such as `10`, `250ms`, `5m` or `1h`") from None


def parse_bytes(value: Any) -> int:
    """Return a number of bytes: a number as it is, a text with a unit.

    `KB` is 1000 bytes and `KiB` is 1024; case does not matter, nor does the `B`.

    >>> parse_bytes("64KiB"), parse_bytes("1.5MB"), parse_bytes("10")
    (65536, 1500000, 10)

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("Expected a size such as `65536`, `64KiB` or `10MB`")
    if match[1].isdigit():
        return int(match[1]) * _UNITS_BYTES[match[2].lower()]
    return round(Decimal(match[1]) * _UNITS_BYTES[match[2].lower()])


def parse_boolean(value: Any) -> bool:
    """Return a truth value: a bool as it is, or one of yes/no, on/off, true/false, 1/0.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, bool):
        return value
    found = _BOOLEANS.get(str(value).strip().lower())
    if found is None:
        raise ValueError("Expected one of yes, no, on, off, true, false, 1, 0")
    return found


def parse_integer(value: Any) -> int:
    """Return a whole number: one as it is, a number without a fraction, a text of digits.

    Raises:
        ValueError: it is neither.
    """
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    is_whole = is_whole or (isinstance(value, float) and value.is_integer())
    if is_whole or (isinstance(value, str) and _INTEGER.fullmatch(value)):
        return int(value)
    raise ValueError("Expected a whole number")


def parse_number(value: Any) -> float:
    """Return a finite number, given as one or as text.

    Raises:
        ValueError: it is neither.
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("Expected a number")
    return number


def parse_url(value: Any, scheme: str | tuple[str, ...] | None = None) -> str:
    """Return a URL without a trailing slash.

    Raises:
        ValueError: it has another scheme than `scheme`, or one of those.
    """
    url = str(value).strip()
    schemes = (scheme,) if isinstance(scheme, str) else scheme
    if schemes is not None and urlparse(url).scheme not in schemes:
        raise ValueError(f"Expected a URL that begins with {' or '.join(schemes)}")
    return urlparse(url).geturl().rstrip("/")


def shown(name: str, value: Any) -> str:
    """Return `value` as an error may show it: redacted, and cut where it is long."""
    text = REDACTED if is_secret(name) else repr(redact(value))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


class Config(dict[str, Any]):
    """The configuration of one component: a dict, with readers that convert.

    Values that a part declares as options have the declared type; all others are as they
    were given, which from a file means text. So use the readers where the type matters.

    Args:
        values: the values by key.
        section: where they belong; named in errors.
        places: where each of them comes from, for errors.
    """

    def __init__(
        self,
        values: Mapping[str, Any] | None = None,
        section: str = "",
        places: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(values or {})
        self._section = section
        self._places = places or {}

    def getboolean(self, key: str) -> bool:
        """Return a truth value; raises OptionError, a ValueError, where it is none."""
        return self._converted(parse_boolean, key)

    def getint(self, key: str) -> int:
        """Return a whole number; raises OptionError, a ValueError, where it is none."""
        return self._converted(parse_integer, key)

    def getfloat(self, key: str) -> float:
        """Return a number; raises OptionError, a ValueError, where it is none."""
        return self._converted(parse_number, key)

    def getseconds(self, key: str) -> float:
        """Return a duration in seconds; raises OptionError, a ValueError, where it is none."""
        return self._converted(parse_seconds, key)

    def geturl(self, key: str, scheme: str | tuple[str, ...] | None = None) -> str:
        """Return a URL without a trailing slash.

        Raises:
            OptionError: it has another scheme than `scheme`, or one of those.
        """
        return self._converted(lambda value: parse_url(value, scheme), key)

    def place_of(self, key: str) -> str:
        """Return where the value of `key` comes from, such as `pump.conf:14`."""
        return self._places.get(key, "program")

    def _converted(self, parse: Callable[[Any], Any], key: str) -> Any:
        value = self[key]
        try:
            return parse(value)
        except ValueError as error:
            place = self.place_of(key)
            expected = str(error).removeprefix("Expected ")
            raise OptionError(
                place, self._section, key, expected=expected, got=shown(key, value)
            ) from None

    def __repr__(self) -> str:
        return f"Config({redact(dict(self))!r})"
