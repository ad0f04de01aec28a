"""Events and contexts, shown to people."""

from __future__ import annotations

import os
import pprint
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bspump.abc.processor import Processor, ProcessorBase
from bspump.abc.sink import Sink

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class _Printer(ProcessorBase):
    """Writes to a text stream: standard output as it is at that moment, unless one is given.

    What was written is seen in the next turn of the loop, also by a reader at the other end of a
    pipe. When that reader has gone, the application ends: there is nobody left to print for.
    """

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
        self._is_to_be_flushed = False

    def _print(self, value: Any) -> None:
        self._write(f"{value}\n")

    def _pretty_print(self, value: Any) -> None:
        self._write(f"{pprint.pformat(value)}\n")

    def _write(self, text: str) -> None:
        try:
            (self.Stream or sys.stdout).write(text)
        except BrokenPipeError:
            self._reader_has_gone()
        if not self._is_to_be_flushed:
            self._is_to_be_flushed = True
            self.Loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_to_be_flushed = False
        try:
            (self.Stream or sys.stdout).flush()
        except BrokenPipeError:
            self._reader_has_gone()
        except ValueError:
            # It was closed by whoever gave it, who has seen to what was written.
            return

    def _reader_has_gone(self) -> None:
        if self.Stream is None:
            # Otherwise the interpreter fails once more when it flushes at its end.
            sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        self.App.stop()


class PrintSink(_Printer, Sink):
    """Print every event on a line of `stream`, by default standard output."""

    def process(self, context: Context, event: Event) -> None:
        self._print(event)

    async def flush(self) -> None:
        self._flush()


class PPrintSink(_Printer, Sink):
    """Print every event to `stream`, by default standard output, laid out for people."""

    def process(self, context: Context, event: Event) -> None:
        self._pretty_print(event)

    async def flush(self) -> None:
        self._flush()


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
