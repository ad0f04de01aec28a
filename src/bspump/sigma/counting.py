"""What is remembered of a correlation and a group, and when it holds. Plain data, times go in.

A condition that only says *at least so many* holds as soon as that many are within the span; it
is found once, and again only after it has not held for a while. For others, such as *less than*,
nothing can be said before time is over: they are looked at once the span that begins with the
first event has ended, and then the next event begins another one.

Neither remembers more than it takes to decide: as many times, values or rules as it asks for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bspump.abc.event_time import END_MS

from .correlations import Correlation

Work = dict[str, Any]


class Found(NamedTuple):
    """That a correlation holds.

    Args:
        start_ms: the time of the first event that counts.
        end_ms: when it was found.
        number: of what was counted; `enough` of the correlation means that, or more.
    """

    start_ms: int
    end_ms: int
    number: int


def new() -> Work:
    """Return what is remembered at first. `due`: when it is decided, or all is over."""
    return {"due": END_MS, "first": 0, "count": 0, "seen": [], "on": False}


def take(of: Correlation, work: Work, at_ms: int, rule: str, value: Any) -> Found | None:
    """Take an event into account, and return what is found at it."""
    if of.least:
        work["due"] = at_ms + of.span_ms
        return _take_rising(of, work, at_ms, rule, value)
    if work["due"] == END_MS:
        work["first"], work["due"] = at_ms, at_ms + of.span_ms
    if of.kind == "event_count":
        work["count"] = min(work["count"] + 1, of.enough)
    else:
        counted = rule if of.kind == "temporal" else value
        if counted not in work["seen"] and len(work["seen"]) < of.enough:
            work["seen"].append(counted)
        work["count"] = len(work["seen"])
    return None


def expire(of: Correlation, work: Work, at_ms: int) -> Found | None:
    """Decide when it is due."""
    first_ms, count = work["first"], work["count"]
    work.update(new())
    return Found(first_ms, at_ms, count) if not of.least and of.holds(count) else None


def _take_rising(of: Correlation, work: Work, at_ms: int, rule: str, value: Any) -> Found | None:
    since_ms = at_ms - of.span_ms
    seen = work["seen"]
    if not _is_reached(of, seen, since_ms):
        work["on"] = False
    if of.kind == "temporal_ordered":
        _follow(of, seen, at_ms, rule)
    else:
        # The oldest first. Of what is counted once, only the last time matters.
        counted = None if of.kind == "event_count" else rule if of.kind == "temporal" else value
        if counted is not None:
            seen[:] = [each for each in seen if each[1] != counted]
        seen.append([at_ms, counted])
        del seen[: -of.least]
    if work["on"] or not _is_reached(of, seen, since_ms):
        return None
    work["on"] = True
    first_ms = seen[-1][0] if of.kind == "temporal_ordered" else seen[0][0]
    return Found(first_ms, at_ms, of.least)


def _is_reached(of: Correlation, seen: list[list[Any]], since_ms: int) -> bool:
    if of.kind == "temporal_ordered":
        return len(seen) == len(of.rules) and bool(seen[-1][0] > since_ms)
    return len(seen) >= of.least and bool(seen[0][0] > since_ms)


def _follow(of: Correlation, seen: list[list[Any]], at_ms: int, rule: str) -> None:
    """Note, for each beginning of the list of rules, when the last one that came began."""
    for number in range(len(of.rules) - 1, -1, -1):
        if of.rules[number] != rule or number > len(seen):
            continue
        start = [at_ms if number == 0 else seen[number - 1][0], rule]
        seen[number : number + 1] = [start]
