"""How stored state looks on a terminal, and as JSON. What must stay secret is not shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bspump.abc.keyed import Timer
from bspump.abc.redaction import redact
from bspump.abc.timers import Deadlines, timers_of
from bspump.state.inspection import StoredPart

from .letter_view import expressible, printable, shown_time

_COLUMNS = ("PART", "KEYS", "BYTES", "WATERMARK", "VERSION", "CHECKPOINT")
_MOST_WAITING = 10


def table(parts: Iterable[StoredPart]) -> Iterator[str]:
    """Return the lines of a list, with a heading."""
    rows = [_COLUMNS, *map(_row, parts)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _row(part: StoredPart) -> tuple[str, ...]:
    return (
        printable(part.address),
        str(part.keys),
        str(part.size_bytes),
        _time(part.watermark_ms),
        str(part.version),
        f"{part.epoch} at {shown_time(part.at_s)}",
    )


def part_json(part: StoredPart) -> str:
    """Return a part as one line of JSON; times are Unix milliseconds."""
    found = {
        "part": part.address,
        "group": part.group,
        "keys": part.keys,
        "size_bytes": part.size_bytes,
        "watermark_ms": _known_ms(part),
        "version": part.version,
        "epoch": part.epoch,
        "taken_at_s": part.at_s,
        "value": redact(part.value),
    }
    return json.dumps(expressible(found), ensure_ascii=False)


def key_json(part: StoredPart, key: Any, found: Any) -> str:
    """Return what is stored of one key as one line of JSON."""
    shown: dict[str, Any] = {"key": key}
    if part.is_keyed:
        state, last_ms, _, version = found
        shown |= {"state": redact(state), "timers": _timers_json(found)}
        shown |= {"version": version, "last_ms": last_ms, "expires_ms": _expires_ms(part, found)}
    else:
        shown["state"] = redact(found)
    return json.dumps(expressible(shown), ensure_ascii=False)


def key_of(text: str) -> Any:
    """Return the key that somebody has typed.

    >>> key_of("7"), key_of("joe"), key_of('["a", 1]'), key_of('"7"')
    (7, 'joe', ('a', 1), '7')
    """
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return _as_key(found)


def _as_key(value: Any) -> Any:
    return tuple(map(_as_key, value)) if isinstance(value, list) else value


def why(part: StoredPart, items: Sequence[tuple[Any, Any]]) -> Iterator[str]:
    """Say what a part waits for, what is due first in the first place."""
    yield f"{printable(part.address)}, as of {shown_time(part.at_s)}"
    watermark_ms = _known_ms(part)
    if watermark_ms is None:
        yield "  its time is not known: no event has brought one, or it does not depend on time"
    else:
        yield f"  time has come to {_time(watermark_ms)} ({watermark_ms})"
    if not items:
        yield "  nothing is stored of it"
    waiting = _waiting(part, items)
    for key, timer in waiting[:_MOST_WAITING]:
        left = _left(timer, watermark_ms)
        name = f"timer {timer.name!r}" if timer.name else "time-to-live"
        yield f"  {printable(repr(key))}: {name} at {_time(timer.at_ms)} ({timer.at_ms}), {left}"
    if len(waiting) > _MOST_WAITING:
        yield f"  and {len(waiting) - _MOST_WAITING} more"
    if items and not waiting:
        yield (
            "  none of its keys waits for a time"
            if part.is_keyed
            else ("  what it waits for is in its state: see `bspump state show`")
        )


def why_json(part: StoredPart, items: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    """Return the same for a program."""
    waiting = [{"key": expressible(key), **timer._asdict()} for key, timer in _waiting(part, items)]
    return {"part": part.address, "watermark_ms": _known_ms(part), "waiting": waiting}


def _waiting(part: StoredPart, items: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Timer]]:
    found = []
    for key, record in items if part.is_keyed else ():
        found += [(key, timer) for timer in timers_of(record)]
        expires_ms = _expires_ms(part, record)
        if expires_ms is not None:
            found.append((key, Timer("", expires_ms, part.value["ttl_clock"])))
    return sorted(found, key=lambda each: (each[1].at_ms, repr(each[0])))


def _expires_ms(part: StoredPart, record: Any) -> int | None:
    value = part.value
    if value["ttl_clock"] is None:
        return None
    deadlines = Deadlines(value["ttl_ms"])
    deadlines.ttl_since_ms = value["ttl_since_ms"]
    return deadlines.expires_ms(record)


def _left(timer: Timer, watermark_ms: int | None) -> str:
    if timer.clock == "wall":
        return "by the wall clock"
    if watermark_ms is None:
        return "by the time of events"
    return f"{(timer.at_ms - watermark_ms) / 1000:g} s of event time from now"


def _timers_json(record: Any) -> list[dict[str, Any]]:
    return [timer._asdict() for timer in timers_of(record)]


def _known_ms(part: StoredPart) -> int | None:
    found = part.watermark_ms
    # The first and the last one are no times.
    return found if found is not None and abs(found) < 1 << 62 else None


def _time(at_ms: int | None) -> str:
    if at_ms is None or abs(at_ms) >= 1 << 62:
        return "-"
    try:
        return shown_time(at_ms / 1000)
    except (OverflowError, ValueError):
        return str(at_ms)
