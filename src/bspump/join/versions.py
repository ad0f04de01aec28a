"""Versions of something over time: which one was valid, and which are needed no longer.

A version is `[from_ms, known_ms, value]`: from when it is valid, when it became known, and what is
valid then: `None` for nothing. They are kept in this order in a list; of those of which both times
are the same, the one that came last is last.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

FROM, KNOWN, VALUE = range(3)

Version = list[Any]


def insert(versions: list[Version], version: Version) -> None:
    """Put a version into its place."""
    following = [version[FROM], version[KNOWN] + 1]
    if not versions or versions[-1] < following:
        versions.append(version)
    else:
        versions.insert(bisect_left(versions, following), version)


def valid_at(versions: list[Version], at_ms: int) -> Version | None:
    """Return what was valid at a time, of what was known by then.

    >>> versions = [[10, 10, "a"], [20, 40, "b"]]
    >>> [(valid_at(versions, at_ms) or [None])[-1] for at_ms in (9, 10, 30, 40)]
    [None, 'a', 'a', 'b']
    """
    index = bisect_left(versions, [at_ms + 1]) - 1
    while index >= 0:
        if versions[index][KNOWN] <= at_ms:
            return versions[index]
        index -= 1
    return None


def prune(versions: list[Version], horizon_ms: int, oldest_ms: int | None = None) -> None:
    """Take out what `valid_at` returns no more for times from `horizon_ms` on.

    Args:
        horizon_ms: nobody asks for times before.
        oldest_ms: nobody wants what is valid from before; `None`: that does not matter.

    >>> versions = [[10, 10, "a"], [20, 20, "b"], [30, 30, None]]
    >>> prune(versions, 25)
    >>> versions
    [[20, 20, 'b'], [30, 30, None]]
    >>> prune(versions, 30)
    >>> versions
    []
    """
    index = bisect_left(versions, [horizon_ms + 1]) - 1
    while index >= 0 and versions[index][KNOWN] > horizon_ms:
        index -= 1
    if index < 0:
        return
    _, _, value = version = versions[index]
    if value is None or (oldest_ms is not None and version[FROM] < oldest_ms):
        index += 1
    del versions[:index]
