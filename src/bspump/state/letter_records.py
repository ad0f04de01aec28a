"""Dead letters in the form in which they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bspump.abc.dead_letters import DeadLetter, DeadLetterOptions, LetterSummary
from bspump.abc.errors import ConfigError, ExhaustedError

from .plain import decode, encode

_LONGEST_TEXT = 64 * 1024
_ROW_BYTES = 100


class LetterRecord(NamedTuple):
    """A dead letter as columns; `content` holds event, context and traceback."""

    replayed_at_s: float | None
    is_requested: bool
    size_bytes: int
    pipeline: str
    part: str
    at_s: float
    attempts: int
    is_repr: bool
    error_type: str
    error_text: str
    content: bytes


def record(letter: DeadLetter) -> LetterRecord:
    """Return a letter as columns. Whatever its event is, it raises nothing."""
    event, is_repr = _plain(letter.event)
    context, odd = _plain_context(letter.context)
    content = encode(
        {
            "event": event,
            "context": context,
            "odd_context": sorted({*odd, *letter.odd_context}),
            "traceback": _cut(letter.traceback),
        },
        of="dead letter",
    )
    text = _writable(_cut(letter.error_text))
    return LetterRecord(
        replayed_at_s=letter.replayed_at_s,
        is_requested=letter.is_requested,
        size_bytes=len(content) + len(text) + _ROW_BYTES,
        pipeline=letter.pipeline,
        part=letter.part,
        at_s=letter.at_s,
        attempts=letter.attempts,
        is_repr=is_repr or letter.is_repr,
        error_type=letter.error_type,
        error_text=text,
        content=content,
    )


def letter(id: int, columns: LetterRecord) -> DeadLetter:
    """Return the letter that `record` made columns of. Raises ValueError where it is damaged."""
    content = decode(columns.content)
    return DeadLetter(
        id=id,
        pipeline=columns.pipeline,
        part=columns.part,
        event=content["event"],
        context=content["context"],
        error_type=columns.error_type,
        error_text=columns.error_text,
        traceback=content["traceback"],
        at_s=columns.at_s,
        attempts=columns.attempts,
        is_repr=bool(columns.is_repr),
        odd_context=content["odd_context"],
        replayed_at_s=columns.replayed_at_s,
        is_requested=bool(columns.is_requested),
    )


def summary(id: int, columns: LetterRecord) -> LetterSummary:
    """Return what a list shows of a letter."""
    return LetterSummary(
        id=id,
        pipeline=columns.pipeline,
        part=columns.part,
        error_type=columns.error_type,
        error_text=columns.error_text,
        at_s=columns.at_s,
        attempts=columns.attempts,
        size_bytes=columns.size_bytes,
        is_repr=bool(columns.is_repr),
        replayed_at_s=columns.replayed_at_s,
        is_requested=bool(columns.is_requested),
    )


def no_room(limits: DeadLetterOptions, count: int, size_bytes: int) -> ExhaustedError:
    """Return the error that says that the store of dead letters is full."""
    return ExhaustedError(
        f"dead letters: there is no room [{ExhaustedError.Code}]\n"
        f"  expected: at most {limits.max_events} events and {limits.max_bytes} bytes\n"
        f"  got: {count} events and {size_bytes} bytes with the new ones\n"
        f"  what to do: replay or remove some, set higher limits, or let the oldest be dropped"
    )


def _plain_context(context: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a context as plain data, and the keys of the entries that were not."""
    entries = {str(key): _plain(value) for key, value in dict(context).items()}
    odd = [key for key, (_, is_repr) in entries.items() if is_repr]
    return {key: value for key, (value, _) in entries.items()}, odd


def _plain(value: Any) -> tuple[Any, bool]:
    """Return a value as it is if it is plain data, otherwise what `repr` says and True."""
    try:
        # One level deeper, as it is in the content.
        encode([[value]], of="event")
    except ConfigError:
        return _cut(_represented(value)), True
    return value, False


def _represented(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - it is code of the user, and the letter must be kept
        return f"<{type(value).__qualname__} whose repr raises {type(error).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _writable(text: str) -> str:
    """Return a text without what cannot be a text in the file: lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode()
