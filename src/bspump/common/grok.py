"""Lines of logs to fields, by Grok expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import ConfigError
from bspump.abc.processor import Processor
from bspump.formats.grok import Grok
from bspump.formats.reject import rejected

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class GrokParser(Processor):
    r"""Turn text (or bytes in UTF-8) into a dict of the fields that a Grok expression names.

    Expressions are tried in order and the first that matches counts; see `formats.grok.Grok` for
    what they may hold. With `field` the event is a dict: what comes out is a new dict with what
    was found added, replacing fields of the same names. Text that matches none, and an event
    without text, is the error of that event alone: `RejectedError`. Bytes that are not UTF-8
    become escapes (`\xe9`).

    ::

        GrokParser(app, pipeline, "^%{COMBINEDAPACHELOG}$")
        GrokParser(app, pipeline, ["took %{INT:ms:int} ms", "failed: %{DATA:why}$"], field="line")

    Args:
        pattern: an expression or several.
        patterns: more patterns for them, by name.
        field: the field of a dict that holds the text; None where the event is the text.
        keep: with `field`, whether that field stays in the event.

    Raises:
        UnknownNameError: an expression refers to a pattern that is not defined.
        ConfigError: an expression cannot be compiled.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        pattern: str | Sequence[str],
        patterns: Mapping[str, str] | None = None,
        field: str | None = None,
        keep: bool = True,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        expressions = [pattern] if isinstance(pattern, str) else list(pattern)
        if not expressions:
            raise ConfigError(f"{self.Id}: expected a Grok expression or several, got none")
        self._groks = [Grok(expression, patterns) for expression in expressions]
        self._matches = [grok.match for grok in self._groks]
        self._field = field
        self._keep = keep

    def process(self, context: Context, event: Event) -> dict[str, Any]:
        return self._parse(event) if self._field is None else self._parse_field(event)

    def process_batch(
        self, contexts: Sequence[Context] | None, events: Sequence[Event]
    ) -> list[dict[str, Any]]:
        """Parse all of `events`; raises, having done nothing, if one of them does not match."""
        if self._field is None:
            return list(map(self._parse, events))
        return [self._parse_field(event) for event in events]

    def _parse_field(self, event: Any) -> dict[str, Any]:
        if not isinstance(event, Mapping):
            raise rejected(self.Id, f"a dict with a field {self._field!r}", event)
        found = self._parse(event.get(self._field))
        if self._keep:
            return {**event, **found}
        kept = {key: value for key, value in event.items() if key != self._field}
        return {**kept, **found}

    def _parse(self, line: Any) -> dict[str, Any]:
        if isinstance(line, bytes | bytearray):
            text = line.decode("utf-8", "backslashreplace")
        elif isinstance(line, str):
            text = line
        else:
            raise rejected(self.Id, self._wanted(), line)
        for match in self._matches:
            found = match(text)
            if found is not None:
                return found
        tried = ", ".join(repr(grok.expression) for grok in self._groks)
        raise rejected(self.Id, self._wanted(), line, f"tried {tried}")

    def _wanted(self) -> str:
        where = f" in the field {self._field!r}" if self._field is not None else ""
        return f"text that matches{where}"
