"""Progress in the terminal: how far the bounded sources of an application are.

::

    app = bspump.BSPumpApplication()
    show_progress(app)
    app.run()
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final

from bspump.abc.source import Source
from bspump.core.service import Module

if TYPE_CHECKING:
    from bspump.core.application import BSPumpApplication

DRAW_EVERY_S: Final = 0.2
TELL_EVERY_S: Final = 10.0
_RATE_OVER: Final = 25
_BAR_CELLS: Final = 24
_UP_AND_ERASE: Final = "\x1b[{}A\x1b[J"


def show_progress(
    app: BSPumpApplication, *, stream: IO[str] | None = None, quiet: bool = False
) -> None:
    """Show how far the sources of `app` are that tell it by `progress()`, while it runs.

    In a terminal there is a line for each with a bar, redrawn in place, and log lines appear
    above. Elsewhere a plain line is written every ten seconds. At the end each source gets a
    last line, with how much it was and how long it took. Call it before the application runs.

    Args:
        app: the application.
        stream: where to write, standard error if not given.
        quiet: show nothing.
    """
    if not quiet:
        app.add_module(TerminalProgress).Stream = sys.stderr if stream is None else stream


class TerminalProgress(Module):
    """Writes the progress of an application; `show_progress` adds it."""

    def __init__(self, app: BSPumpApplication) -> None:
        super().__init__(app)
        self.Stream: IO[str] = sys.stderr
        self._tracks: dict[Source, Track] = {}
        self._drawn_lines = 0
        self._log_handler = _Eraser(self)
        self._task: asyncio.Task[Any] | None = None

    async def initialize(self, app: BSPumpApplication) -> None:
        # In front of all others: what is drawn goes away before they write.
        logging.getLogger().handlers.insert(0, self._log_handler)
        self._task = app.spawn(self._run(), name="progress")

    async def finalize(self, app: BSPumpApplication) -> None:
        if self._task is not None:
            self._task.cancel()
        logging.getLogger().removeHandler(self._log_handler)
        self._look()
        self.erase()
        for track in self._tracks.values():
            self.Stream.write(f"{track.summary()}\n")
        self.Stream.flush()

    def erase(self) -> None:
        """Take away what was drawn, so that something else can be written."""
        if self._drawn_lines:
            self.Stream.write(_UP_AND_ERASE.format(self._drawn_lines))
            self.Stream.flush()
            self._drawn_lines = 0

    async def _run(self) -> None:
        is_terminal = self.Stream.isatty()
        while True:
            await self.App.Clock.sleep(DRAW_EVERY_S if is_terminal else TELL_EVERY_S)
            self._look()
            lines = list(self._lines(is_terminal))
            self.erase()
            self.Stream.write("".join(f"{line}\n" for line in lines))
            self.Stream.flush()
            self._drawn_lines = len(lines) if is_terminal else 0

    def _look(self) -> None:
        """Ask all sources how far they are."""
        now_s = self.App.Clock.monotonic()
        for pipeline in self.App.PumpService.Pipelines.values():
            for source in pipeline.Sources:
                progress = source.progress()
                if progress is None:
                    continue
                if source not in self._tracks:
                    is_only = len(pipeline.Sources) == 1
                    name = pipeline.Id if is_only else source.locate_address()
                    self._tracks[source] = Track(name, now_s - self._running_s(pipeline))
                self._tracks[source].take(now_s, *progress)

    def _running_s(self, pipeline: Any) -> float:
        """Return since how many seconds the application has been there, at the most."""
        return max(0.0, self.App.time() - self.App.LaunchTime)

    def _lines(self, is_terminal: bool) -> Iterator[str]:
        columns = shutil.get_terminal_size().columns
        for track in self._tracks.values():
            if is_terminal:
                yield track.line(_bar_of(self.Stream))[: columns - 1]
            else:
                yield track.line("")
