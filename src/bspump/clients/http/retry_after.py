"""How long a server asks its clients to wait (RFC 9110, 10.2.3).

>>> retry_after_s("120", now_s=0), retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", now_s=50)
(120.0, 10.0)
>>> wait_s({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000030"}, now_s=1.7e9)
30.0
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_S: Final = 3600.0
"""No server makes a client wait for longer, whatever it asks for."""

# A number of seconds beyond this is a date: Unix time passed it in 2001.
_EPOCH_FROM_S: Final = 1e9


def retry_after_s(value: str | None, *, now_s: float) -> float:
    """Return the seconds that `Retry-After` asks for: a number, or the time until a date.

    Between 0 and one hour. What is neither, and what is missing, is 0.
    """
    if not value:
        return 0.0
    seconds = _number(value)
    if seconds is None:
        seconds = _until(value, now_s)
    return min(max(seconds, 0.0), LONGEST_S)


def wait_s(headers: Mapping[str, str], *, now_s: float) -> float:
    """Return the seconds to wait before the next request, as the headers of an answer say.

    `Retry-After` comes first; without it, `RateLimit-Reset` and `X-RateLimit-Reset` count when
    nothing remains of the limit. `headers` must not mind upper and lower case, as those of a
    response do not, or be written in the usual way.
    """
    if "Retry-After" in headers:
        return retry_after_s(headers["Retry-After"], now_s=now_s)
    for prefix in ("RateLimit", "X-RateLimit"):
        remaining = _number(headers.get(f"{prefix}-Remaining", ""))
        reset = _number(headers.get(f"{prefix}-Reset", ""))
        if remaining is not None and remaining <= 0 and reset is not None:
            seconds = reset - now_s if reset > _EPOCH_FROM_S else reset
            return min(max(seconds, 0.0), LONGEST_S)
    return 0.0


def _number(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _until(value: str, now_s: float) -> float:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0.0
    # One of the three forms of a date says nothing of a zone: it is UTC.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now_s
