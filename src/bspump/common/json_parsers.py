"""From JSON to events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from bspump.abc.errors import ConfigError, ProcessingError
from bspump.abc.processor import Processor
from bspump.formats.reject import rejected

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class BytesJsonParser(Processor):
    """Turn one JSON document (bytes or text) into an event.

    Emits what the document holds, or an instance of `schema`. Integers of any size keep their
    value. A document that is broken, `null`, or does not fit the schema is the error of that
    event alone: `RejectedError`.

    Args:
        schema: what every document must be, usually a `msgspec.Struct`: faster by a third, and
            the fields are checked. None takes any JSON.

    Raises:
        ConfigError: the schema is not a type that can be decoded to.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        schema: Any = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        try:
            decoder = msgspec.json.Decoder(Any if schema is None else schema)
        except TypeError as error:
            raise ConfigError(f"{self.Id}: the schema {schema!r} is no use: {error}") from error
        self._decode = decoder.decode
        name = getattr(schema, "__name__", str(schema))
        self._expected = "a JSON document" if schema is None else f"a JSON {name}"

    def process(self, context: Context, event: Event) -> Event:
        try:
            found = self._decode(event)
        except _BROKEN as error:
            raise rejected("json", self._expected, event, str(error)) from error
        if found is None:
            raise rejected("json", self._expected, event, "null is no event")
        return found

    def process_batch(
        self, contexts: Sequence[Context] | None, events: Sequence[Event]
    ) -> list[Event]:
        """Decode all of `events`; raises, having done nothing, if one of them is broken."""
        found = list(map(self._decode, events))
        if None in found:
            raise ProcessingError(f"{self.Id}: null is no event")
        return found


class StdJsonToDictParser(Processor):
    """Turn JSON text or bytes into the object it holds, as `json.loads` does.

    What only the standard library accepts (`NaN`, `Infinity`, lone surrogates) is accepted here
    too. A broken document raises `json.JSONDecodeError`.
    """

    def process(self, context: Context, event: Event) -> Event:
        try:
            return msgspec.json.decode(event)
        except _BROKEN:
            return json.loads(event)

    def process_batch(
        self, contexts: Sequence[Context] | None, events: Sequence[Event]
    ) -> list[Event]:
        """Decode all of `events`; raises, having done nothing, if one of them needs `process`."""
        return list(map(msgspec.json.decode, events))


class JsonToDictParser(StdJsonToDictParser):
    """The same as `StdJsonToDictParser`, under the name that older programs use."""


class JsonBytesToDictParser(StdJsonToDictParser):
    """The same as `StdJsonToDictParser`, under the name that says what comes in."""


class CySimdJsonParser(StdJsonToDictParser):
    """The same as `StdJsonToDictParser`, under the name of the parser it replaces.

    Emits plain dicts and lists, which stay valid when the next event is parsed; the library
    `cysimdjson` is not needed.
    """
