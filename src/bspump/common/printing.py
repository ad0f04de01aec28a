"""Events and contexts, shown to people."""

from __future__ import annotations

import pprint
import sys
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from bspump.abc.processor import Processor, ProcessorBase
from bspump.abc.sink import Sink

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class _Printer(ProcessorBase):
    """Writes to a text stream: standard output as it is at that moment, unless one is given."""

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        stream: IO[str] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Stream = stream

    def _print(self, value: Any) -> None:
        print(value, file=self.Stream or sys.stdout)

    def _pretty_print(self, value: Any) -> None:
        pprint.pprint(value, stream=self.Stream or sys.stdout)


class PrintSink(_Printer, Sink):
    """Print every event on a line of `stream`, by default standard output."""

    def process(self, context: Context, event: Event) -> None:
        self._print(event)


class PPrintSink(_Printer, Sink):
    """Print every event to `stream`, by default standard output, laid out for people."""

    def process(self, context: Context, event: Event) -> None:
        self._pretty_print(event)


class PrintProcessor(_Printer, Processor):
    """Print every event on a line of `stream` and pass it on."""

    def process(self, context: Context, event: Event) -> Event:
        self._print(event)
        return event


class PPrintProcessor(_Printer, Processor):
    """Print every event, laid out for people, and pass it on."""

    def process(self, context: Context, event: Event) -> Event:
        self._pretty_print(event)
        return event


class PrintContextProcessor(_Printer, Processor):
    """Print the context of every event on a line of `stream` and pass the event on."""

    def process(self, context: Context, event: Event) -> Event:
        self._print(context)
        return event


class PPrintContextProcessor(_Printer, Processor):
    """Print the context of every event, laid out for people, and pass the event on."""

    def process(self, context: Context, event: Event) -> Event:
        self._pretty_print(context)
        return event
