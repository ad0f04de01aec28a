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
from typing import IO, TYPE_CHECKING, Any, Final

from bspump.core.service import Module

if TYPE_CHECKING:
    from bspump.abc.source import Source
    from bspump.core.application import BSPumpApplication

LOOK_EVERY_S: Final = 0.2
TELL_EVERY_S: Final = 10.0
_RATE_OVER_S: Final = 5.0
_CELLS: Final = 24
_UP_AND_ERASE: Final = "\x1b[{}A\r\x1b[J"


def show_progress(
    app: BSPumpApplication, *, stream: IO[str] | None = None, quiet: bool = False
) -> None:
    """Show how far the sources of `app` are that tell it by `progress()`, while it runs.

    In a terminal there is a line for each, redrawn in place, and the log goes on above them.
    Elsewhere a plain line is written every ten seconds. In the end each source gets a line with
    how much it was and how long it took. Call it before the application runs.

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
        self._began_s = app.Clock.monotonic()
        self._tracks: dict[Source, Track] = {}
        self._drawn_lines = 0
        self._eraser = _Eraser(self)
        self._task: asyncio.Task[Any] | None = None

    async def initialize(self, app: BSPumpApplication) -> None:
        self._began_s = app.Clock.monotonic()
        # In front of the other handlers: what is drawn goes away before they write.
        logging.getLogger().handlers.insert(0, self._eraser)
        self._task = app.spawn(self._run(), name="progress")

    async def finalize(self, app: BSPumpApplication) -> None:
        if self._task is not None:
            self._task.cancel()
        logging.getLogger().removeHandler(self._eraser)
        self._look()
        self.erase()
        self._write(track.summary() for track in self._tracks.values())

    def erase(self) -> None:
        """Take away what was drawn, so that something else can be written there."""
        if self._drawn_lines:
            self.Stream.write(_UP_AND_ERASE.format(self._drawn_lines))
            self.Stream.flush()
            self._drawn_lines = 0

    async def _run(self) -> None:
        is_terminal = self.Stream.isatty()
        encoding = getattr(self.Stream, "encoding", None) or ""
        bar = "█░" if encoding.lower().startswith("utf") else "#-"
        told_s = self.App.Clock.monotonic()
        while True:
            await self.App.Clock.sleep(LOOK_EVERY_S)
            self._look()
            if is_terminal:
                width = shutil.get_terminal_size().columns - 1
                self.erase()
                self._write(track.line(bar)[:width] for track in self._tracks.values())
                self._drawn_lines = len(self._tracks)
            elif self.App.Clock.monotonic() - told_s >= TELL_EVERY_S:
                told_s = self.App.Clock.monotonic()
                self._write(track.line("") for track in self._tracks.values())

    def _write(self, lines: Iterator[str]) -> None:
        self.Stream.write("".join(f"{line}\n" for line in lines))
        self.Stream.flush()

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
                    self._tracks[source] = Track(name, self._began_s)
                self._tracks[source].take(now_s, *progress)


class _Eraser(logging.Handler):
    """Clears the way for a log line."""

    def __init__(self, progress: TerminalProgress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.erase()


class Track:
    """How far one source is, and how fast.

    >>> track = Track("Read", began_s=0.0)
    >>> track.take(1.0, 250, 1000, "rows")
    >>> track.take(2.0, 500, 1000, "rows")
    >>> track.line("#-")
    'Read  ############------------  50 %  500 of 1,000 rows  250 rows/s  2 s left'
    >>> track.take(4.0, 1000, 1000, "rows")
    >>> track.summary()
    'Read  1,000 rows in 4.0 s, 250 rows/s'

    Args:
        name: of the source.
        began_s: when it began, by a clock that never goes back.
    """

    def __init__(self, name: str, began_s: float) -> None:
        self.name, self.began_s = name, began_s
        self.total: float | None = None
        self.unit = ""
        self._seen: deque[tuple[float, float]] = deque()

    def take(self, now_s: float, done: float, total: float | None, unit: str) -> None:
        """Take note of how far it is now."""
        self.total, self.unit = total, unit
        self._seen.append((now_s, done))
        # One that is old enough stays, to measure from.
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= _RATE_OVER_S:
            self._seen.popleft()

    def line(self, bar: str) -> str:
        """Return a line about the present; `bar` has two characters, for done and not done."""
        done, rate = self._seen[-1][1], self._rate()
        parts = [self.name]
        if self.total is None:
            parts.append(f"{_amount(done)} {self.unit}")
        else:
            ratio = min(1.0, done / self.total) if self.total else 1.0
            cells = int(ratio * _CELLS)
            if bar:
                parts.append(bar[0] * cells + bar[1] * (_CELLS - cells))
            parts.append(f"{ratio:.0%}".replace("%", " %"))
            parts.append(f"{_amount(done)} of {_amount(self.total)} {self.unit}")
        if rate:
            parts.append(f"{_amount(rate)} {self.unit}/s")
            if self.total is not None:
                parts.append(f"{_duration(max(0.0, self.total - done) / rate)} left")
        return "  ".join(parts)

    def summary(self) -> str:
        """Return a line about all of it."""
        now_s, done = self._seen[-1]
        took_s = max(now_s - self.began_s, 0.001)
        part = f" of {_amount(self.total)}" if self.total is not None and done < self.total else ""
        return (
            f"{self.name}  {_amount(done)}{part} {self.unit} in {took_s:.1f} s, "
            f"{_amount(done / took_s)} {self.unit}/s"
        )

    def _rate(self) -> float:
        (then_s, before), (now_s, done) = self._seen[0], self._seen[-1]
        return (done - before) / (now_s - then_s) if now_s > then_s else 0.0


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _duration(seconds: float) -> str:
    """Return a time that is still to be waited.

    >>> _duration(7.2), _duration(200), _duration(9000)
    ('8 s', '3 min 20 s', '2 h 30 min')
    """
    whole = int(-(-seconds // 1))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
