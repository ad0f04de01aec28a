"""Logging with keys and values, over the standard `logging`.

A log line is a constant sentence and fields: it can be counted and searched::

    log = get_logger(__name__)
    log.warning("write rejected", sink=self.Id, count=len(batch))

Fields whose name looks like a secret are never written, nor are passwords inside URLs, be they in
the sentence, in a field or in a traceback.
"""

from __future__ import annotations

import copy
import json
import logging
import logging.handlers
import os
import re
import sys
from collections import deque
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

import orjson

from bspump.abc.redaction import REDACTED, is_secret, redact, redact_text

__all__ = [
    "REDACTED",
    "JsonFormatter",
    "Log",
    "PipelineLogger",
    "TerminalFormatter",
    "configure_logging",
    "get_logger",
    "is_secret",
    "redact",
]

_PLAIN = re.compile(r"[^\s=\"']+")
_JSON_KEYS = frozenset({"time", "level", "logger", "message", "exception"})
_STANDARD = frozenset({"exc_info", "extra", "stack_info", "stacklevel"})


class Log(logging.LoggerAdapter[logging.Logger]):
    """A logger whose keyword arguments are the fields of the record.

    `exc_info`, `stack_info`, `stacklevel` and `extra` mean what they mean in `logging`;
    `struct_data={...}` is accepted as another way to give fields.
    """

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, _with_fields(dict(kwargs))


def get_logger(name: str) -> Log:
    """Return the logger of a module; call it with `__name__`."""
    return Log(logging.getLogger(name), {})


class PipelineLogger(logging.Logger):
    """The logger of one pipeline: `pipeline.L`.

    It keeps the last 50 records in `Deque` for whoever looks at the pipeline, each with an ISO
    `timestamp`, with message and traceback as text and without secrets; counts warnings and
    errors; and passes every record on to the log of the program. Fields are given as to `Log`.

    Args:
        metrics_counter: gets `add("warning", 1)` per WARNING and `add("error", 1)` per ERROR or
            worse.
        level: what is below is neither kept nor passed on; by default that is what is below INFO
            and below the level of the program's log.
    """

    def __init__(
        self, name: str, metrics_counter: Any | None = None, level: int = logging.NOTSET
    ) -> None:
        super().__init__(name, level)
        # Not registered by name: loggers live as long as the process, pipelines do not.
        self.parent = logging.getLogger("bspump.pipeline")
        self.Deque: deque[logging.LogRecord] = deque(maxlen=50)
        self._counter = metrics_counter

    if TYPE_CHECKING:

        def debug(self, msg: object, *args: object, **fields: Any) -> None: ...
        def info(self, msg: object, *args: object, **fields: Any) -> None: ...
        def warning(self, msg: object, *args: object, **fields: Any) -> None: ...
        def error(self, msg: object, *args: object, **fields: Any) -> None: ...
        def exception(self, msg: object, *args: object, **fields: Any) -> None: ...

    def getEffectiveLevel(self) -> int:
        return self.level or min(logging.INFO, super().getEffectiveLevel())

    def isEnabledFor(self, level: int) -> bool:
        # `logging` remembers its answers, and forgets them only for loggers that it registered.
        return self.manager.disable < level and level >= self.getEffectiveLevel()

    def handle(self, record: logging.LogRecord) -> None:
        if self._counter is not None:
            if record.levelno >= logging.ERROR:
                self._counter.add("error", 1)
            elif record.levelno >= logging.WARNING:
                self._counter.add("warning", 1)
        record.timestamp = _iso(record)
        self.Deque.append(_kept(record))
        if self.parent is not None and self.parent.isEnabledFor(record.levelno):
            super().handle(record)

    def log_uncounted(self, msg: str, **fields: Any) -> None:
        """Log a warning that does not count as one: what it is about has been counted already."""
        counter, self._counter = self._counter, None
        try:
            self.warning(msg, stacklevel=2, **fields)
        finally:
            self._counter = counter

    def _log(  # type: ignore[override]  # Adds fields; `logging` knows a fixed list of keywords.
        self, level: int, msg: object, args: Any, stacklevel: int = 1, **kwargs: Any
    ) -> None:
        super()._log(level, msg, args, stacklevel=stacklevel + 1, **_with_fields(kwargs))


def record_get(record: logging.LogRecord) -> dict[str, Any]:
    """Return a record ready for JSON: `timestamp`, `level`, `logger`, `message`, fields."""
    answer = {
        "timestamp": _iso(record),
        "level": record.levelname,
        "logger": record.name,
        "message": redact(record.getMessage()),
        "fields": _fields(record),
    }
    return answer | ({"exception": record.exc_text} if record.exc_text else {})


class TerminalFormatter(logging.Formatter):
    """Formats for people: time in UTC, level, logger, sentence, `key=value`.

    Args:
        colour: mark levels by colour; for terminals.
    """

    _COLOURS: ClassVar = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def formatMessage(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname:7}"
        if self._colour and record.levelno in self._COLOURS:
            level = f"\x1b[{self._COLOURS[record.levelno]}m{level}\x1b[0m"
        fields = "".join(f" {key}={_shown(value)}" for key, value in _fields(record).items())
        return f"{_iso(record)} {level} {record.name}: {redact_text(record.message)}{fields}"

    def formatException(self, ei: Any) -> str:
        return redact_text(super().formatException(ei))


class JsonFormatter(logging.Formatter):
    """Formats for machines: one JSON object per line.

    Its keys are `time` (ISO, UTC), `level`, `logger`, `message`, the fields, and `exception`. A
    field named like one of the others keeps its value under `field.<name>`.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _iso(record),
            "level": record.levelname,
            "logger": record.name,
            "message": redact_text(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = redact_text(self.formatException(record.exc_info))
        elif record.exc_text:
            line["exception"] = redact_text(record.exc_text)
        for key, value in _fields(record).items():
            line[f"field.{key}" if key in _JSON_KEYS else key] = value
        try:
            return orjson.dumps(line, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:
            # What JSON cannot say, such as a number of 30 digits, must not cost the line.
            texts = {key: v if isinstance(v, str) else repr(v) for key, v in line.items()}
            return json.dumps(texts)


def configure_logging(
    *,
    level: str | int = logging.INFO,
    json_lines: bool = False,
    file: str | None = None,
    stream: IO[str] | None = None,
) -> Callable[[], None]:
    """Set up the root logger; return a function that puts everything back as it was.

    A program that has configured logging itself (the root logger has a handler) keeps its own
    handlers, and gets no second copy of each line on the terminal.

    Args:
        level: what is below is not logged; a number or a name, whatever its case.
        json_lines: one JSON object per line instead of text.
        file: append to this file as well; when somebody rotates it away, a new one is begun.
        stream: where to write, standard error if not given.

    Raises:
        ValueError: `level` is not the name of a level.
        OSError: `file` cannot be opened; nothing was changed.
    """
    root = logging.getLogger()
    before = root.level
    number = _level(level)
    added: list[logging.Handler] = []
    if file is not None:
        # Half of a pair of surrogates, which UTF-8 has no place for, must not cost the line.
        added.append(
            logging.handlers.WatchedFileHandler(
                Path(file), encoding="utf-8", errors="backslashreplace"
            )
        )
        added[-1].setFormatter(JsonFormatter() if json_lines else TerminalFormatter())
    if not root.handlers:
        stream = sys.stderr if stream is None else stream
        added.append(logging.StreamHandler(stream))
        colour = stream.isatty() and "NO_COLOR" not in os.environ
        added[-1].setFormatter(JsonFormatter() if json_lines else TerminalFormatter(colour=colour))
    root.setLevel(number)
    for handler in added:
        root.addHandler(handler)

    def restore() -> None:
        root.setLevel(before)
        for handler in added:
            root.removeHandler(handler)
            handler.close()

    return restore


def _level(level: str | int) -> int:
    if isinstance(level, int):
        return level
    levels = logging.getLevelNamesMapping()
    if level.upper() not in levels:
        raise ValueError(f"Expected one of {', '.join(levels)} as the level, got {level!r}")
    return levels[level.upper()]


def _with_fields(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Move everything that `logging` does not know into `record.fields`."""
    fields = {key: kwargs.pop(key) for key in list(kwargs) if key not in _STANDARD}
    fields.update(fields.pop("struct_data", None) or {})
    kwargs["extra"] = {**(kwargs.get("extra") or {}), "fields": fields}
    return kwargs


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = redact(getattr(record, "fields", {}))
    return fields


def _iso(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _kept(record: logging.LogRecord) -> logging.LogRecord:
    """Return a copy with all as text: arguments and frames would keep the failed event alive."""
    kept = copy.copy(record)
    try:
        kept.msg, kept.args = redact_text(record.getMessage()), None
    except Exception:  # noqa: BLE001 - whoever logs must not fail for what is logged
        kept.msg, kept.args = f"{record.msg!s} (its arguments do not fit)", None
    kept.__dict__["fields"] = _fields(record)
    if kept.exc_info:
        kept.exc_text = redact_text(logging.Formatter().formatException(kept.exc_info))
        kept.exc_info = None
    return kept


def _shown(value: Any) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text.isprintable() else repr(text)
