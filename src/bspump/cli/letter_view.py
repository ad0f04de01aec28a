"""How dead letters look on a terminal, and as JSON. What must stay secret is not shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from bspump.abc.dead_letters import DeadLetter, LetterSummary
from bspump.abc.redaction import redact, redact_text

_COLUMNS = ("ID", "TIME", "PIPELINE", "PART", "TRIES", "STATE", "ERROR")
_LONGEST_ERROR = 100


def table(letters: Iterable[LetterSummary]) -> Iterator[str]:
    """Return the lines of a list, with a heading."""
    rows = [_COLUMNS, *map(_row, letters)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def page(letter: DeadLetter) -> Iterator[str]:
    """Return the lines that show all of one letter."""
    yield f"dead letter {letter.id}, {state(letter)}"
    yield f"  set aside  {shown_time(letter.at_s)}"
    if letter.replayed_at_s is not None:
        yield f"  replayed   {shown_time(letter.replayed_at_s)}"
    yield f"  pipeline   {printable(letter.pipeline)}"
    yield f"  part       {printable(letter.part)}"
    yield f"  tries      {letter.attempts}"
    yield f"  error      {printable(_error(letter))}"
    kind = ", only as text: it cannot be replayed" if letter.is_repr else ""
    yield f"  event{kind}"
    yield from _indented(_pretty(letter.event))
    if letter.context:
        odd = f", only as text: {', '.join(letter.odd_context)}" if letter.odd_context else ""
        yield f"  context{printable(odd)}"
        yield from _indented(_pretty(letter.context))
    if letter.traceback:
        yield "  traceback"
        yield from _indented(redact_text(letter.traceback).rstrip())


def as_json(letter: LetterSummary | DeadLetter) -> str:
    """Return a letter as one line of JSON; times are Unix seconds."""
    found = {field.name: getattr(letter, field.name) for field in fields(letter)}
    # Keys of contexts are names of what may be secret, those of letters are not.
    found = {name: redact(value) for name, value in found.items()}
    return json.dumps(expressible({**found, "state": state(letter)}))


def state(letter: LetterSummary | DeadLetter) -> str:
    """Return what becomes of a letter: `requested`, `replayed`, or `new`."""
    if letter.is_requested:
        return "requested"
    return "new" if letter.replayed_at_s is None else "replayed"


def printable(text: str) -> str:
    r"""Return a text in which nothing can move the cursor or change the terminal.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def _row(letter: LetterSummary) -> tuple[str, ...]:
    error = printable(_error(letter))
    if len(error) > _LONGEST_ERROR:
        error = f"{error[:_LONGEST_ERROR]}…"
    return (
        str(letter.id),
        shown_time(letter.at_s),
        printable(letter.pipeline),
        printable(letter.part),
        str(letter.attempts),
        state(letter),
        error,
    )


def _error(letter: LetterSummary | DeadLetter) -> str:
    text = redact_text(letter.error_text)
    return f"{letter.error_type}: {text}" if text else letter.error_type


def shown_time(at_s: float) -> str:
    """Return a time as people read it, UTC."""
    at = datetime.fromtimestamp(at_s, tz=UTC)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _pretty(value: Any) -> str:
    return json.dumps(expressible(redact(value)), indent=2, ensure_ascii=False)


def _indented(text: str) -> Iterator[str]:
    return (f"    {printable(line.expandtabs())}" for line in text.split("\n"))


def expressible(value: Any) -> Any:
    """Return plain data as JSON can say it: bytes as text, keys as text."""
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else repr(key): expressible(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [expressible(inner) for inner in value]
    if value is None or isinstance(value, str | int):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else repr(value)
