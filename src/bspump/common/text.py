"""Between text, bytes and hexadecimal digits."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ConfigError, ProcessingError
from bspump.abc.options import Options
from bspump.abc.processor import Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class EncodingOptions(Options, frozen=True, kw_only=True):
    """Which encoding text has as bytes."""

    encoding: Annotated[str, Meta(description="Encoding of the text.")] = "utf-8"


class _Encoded(Processor):
    """Knows an encoding. Raises ConfigError if there is none of that name."""

    OptionsClass = EncodingOptions
    Options: EncodingOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        try:
            codecs.lookup(self.Options.encoding)
        except LookupError as error:
            raise ConfigError(f"{self.locate_address()}: encoding: {error}") from error


class StringToBytesParser(_Encoded):
    """Encode text; anything else is a `ProcessingError`."""

    def process(self, context: Context, event: Event) -> bytes:
        if not isinstance(event, str):
            raise ProcessingError(f"{self.Id}: expected str, got {type(event).__name__}")
        return event.encode(self.Options.encoding)

    def process_batch(
        self, contexts: Sequence[Context] | None, events: Sequence[Event]
    ) -> list[bytes]:
        """Encode all of `events`; raises, having done nothing, if one of them is no text."""
        encoding = self.Options.encoding
        return [event.encode(encoding) for event in events]


class BytesToStringParser(_Encoded):
    """Decode bytes to text; anything else is a `ProcessingError`."""

    def process(self, context: Context, event: Event) -> str:
        if not isinstance(event, bytes | bytearray):
            raise ProcessingError(f"{self.Id}: expected bytes, got {type(event).__name__}")
        return event.decode(self.Options.encoding)

    def process_batch(
        self, contexts: Sequence[Context] | None, events: Sequence[Event]
    ) -> list[str]:
        """Decode all of `events`; raises, having done nothing, if one of them cannot be."""
        encoding = self.Options.encoding
        return [event.decode(encoding) for event in events]


class HexlifyProcessor(Processor):
    """Turn bytes into their lower-case hexadecimal digits, as bytes."""

    def process(self, context: Context, event: Event) -> bytes:
        if not isinstance(event, bytes | bytearray | memoryview):
            raise ProcessingError(f"{self.Id}: expected bytes, got {type(event).__name__}")
        return event.hex().encode("ascii")
