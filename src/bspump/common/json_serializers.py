"""From events to JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from bspump.abc.errors import ProcessingError
from bspump.abc.options import Options
from bspump.abc.processor import Processor
from bspump.formats.reject import rejected

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_INEXPRESSIBLE = (TypeError, ValueError, RecursionError)


class JsonSerializer(Processor):
    """Turn an event (a dict, a list, a `msgspec.Struct`, a dataclass) into compact JSON bytes.

    NaN and infinity are written as `null`; datetimes, bytes, sets and the like as `msgspec`
    writes them. What JSON cannot hold is the error of that event alone: `RejectedError`.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._encode = msgspec.json.Encoder().encode

    def process(self, context: Context, event: Event) -> bytes:
        try:
            return self._encode(event)
        except _INEXPRESSIBLE as error:
            raise rejected("json", "values that JSON can hold", event, str(error)) from error

    def process_batch(
        self, contexts: Sequence[Context] | None, events: Sequence[Event]
    ) -> list[bytes]:
        """Encode all of `events`; raises, having done nothing, if one cannot be expressed."""
        return list(map(self._encode, events))


class JsonLinesSerializer(JsonSerializer):
    """Turn an event into one line of JSON: as `JsonSerializer` does, ended by a newline."""

    def process(self, context: Context, event: Event) -> bytes:
        return super().process(context, event) + b"\n"

    def process_batch(
        self, contexts: Sequence[Context] | None, events: Sequence[Event]
    ) -> list[bytes]:
        """Encode all of `events`; raises, having done nothing, if one cannot be expressed."""
        encode = self._encode
        return [encode(event) + b"\n" for event in events]


class StdDictToJsonParser(Processor):
    """Turn an event into JSON text, character by character what `json.dumps` returns.

    `JsonSerializer` is several times faster where the exact spacing does not matter.
    """

    def process(self, context: Context, event: Event) -> str:
        return json.dumps(event)

    def process_batch(
        self, contexts: Sequence[Context] | None, events: Sequence[Event]
    ) -> list[str]:
        """Encode all of `events`; raises, having done nothing, if one cannot be expressed."""
        return list(map(json.dumps, events))


class DictToJsonParser(StdDictToJsonParser):
    """The same as `StdDictToJsonParser`, under the name that older programs use."""


class DictToJsonBytesOptions(Options, frozen=True, kw_only=True):
    """How the text becomes bytes."""

    encoding: Annotated[str, Meta(description="Encoding of the text.")] = "utf-8"


class DictToJsonBytesParser(Processor):
    """Turn a dict into encoded JSON text, byte by byte what `json.dumps(…).encode()` returns."""

    OptionsClass = DictToJsonBytesOptions
    Options: DictToJsonBytesOptions

    def process(self, context: Context, event: Event) -> bytes:
        if not isinstance(event, dict):
            raise ProcessingError(f"{self.Id}: expected a dict, got {type(event).__name__}")
        return json.dumps(event).encode(self.Options.encoding)
