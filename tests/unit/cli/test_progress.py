"""Progress in the terminal, over an application that runs."""

from __future__ import annotations

import asyncio
import io
import logging

import pytest

import bspump
import bspump.common
from bspump.cli.progress import Track, show_progress
from bspump.testing import eventually


class Terminal(io.StringIO):
    """A terminal that remembers all that was written to it, and shows what is left."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        lines: list[str] = []
        for line in self.getvalue().split("\n"):
            text = line
            while text.startswith("\x1b["):
                up, _, rest = text[2:].partition("A\r\x1b[J")
                del lines[len(lines) - int(up) :]
                text = rest
            lines.append(text)
        return lines[:-1]


class Slow(bspump.Source):
    """Is half done until it is let go."""

    def __init__(self, app, pipeline):
        super().__init__(app, pipeline)
        self.go_on = asyncio.Event()
        self.done = 1000

    async def main(self):
        await self.Pipeline.ready()
        await self.go_on.wait()
        self.done = 2000

    def is_finished(self):
        return self.done == 2000

    def progress(self):
        return self.done, 2000, "rows"


def application(stream, **kwargs):
    app = bspump.BSPumpApplication(args=[])
    pipeline = bspump.Pipeline(app, "Slow")
    source = Slow(app, pipeline)
    pipeline.build(source, bspump.common.NullSink(app, pipeline))
    app.PumpService.add_pipeline(pipeline)
    show_progress(app, stream=stream, **kwargs)
    return app, source


@pytest.fixture
def log_handler(monkeypatch):
    """Make the log go to a stream of the test, as it would go to the same terminal."""

    def add(stream):
        handler = logging.StreamHandler(stream)
        monkeypatch.setattr(logging.getLogger(), "handlers", [handler])

    return add


async def test_a_terminal_gets_one_line_that_is_redrawn_and_one_at_the_end():
    terminal = Terminal()
    app, source = application(terminal)
    async with app.running():
        await eventually(lambda: terminal.getvalue().count("50 %") >= 2)
        assert terminal.shown() == ["Slow  ############------------  50 %  1,000 of 2,000 rows"]
        source.go_on.set()
        await eventually(source.is_finished)
    (line,) = terminal.shown()
    assert line.startswith("Slow  2,000 rows in ")


async def test_a_log_line_stands_above_the_progress(log_handler):
    terminal = Terminal()
    log_handler(terminal)
    app, _ = application(terminal)
    async with app.running():
        await eventually(lambda: "50 %" in terminal.getvalue())
        logging.getLogger("test").warning("something happened")
        assert terminal.shown() == ["guarantee", "something happened"]
        await eventually(lambda: len(terminal.shown()) == 3)
        assert terminal.shown()[1] == "something happened"
        assert "50 %" in terminal.shown()[2]
    assert len(terminal.shown()) == 3


async def test_what_is_no_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setattr("bspump.cli.progress.TELL_EVERY_S", 0.01)
    stream = io.StringIO()
    app, _ = application(stream)
    async with app.running():
        await eventually(lambda: stream.getvalue().count("\n") >= 2)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "Slow  50 %  1,000 of 2,000 rows"
    assert "\x1b" not in stream.getvalue()
    assert lines[-1].startswith("Slow  1,000 of 2,000 rows in ")


async def test_quiet_writes_nothing():
    stream = Terminal()
    app, source = application(stream, quiet=True)
    async with app.running():
        source.go_on.set()
        await eventually(source.is_finished)
    assert stream.getvalue() == ""


async def test_sources_without_progress_are_not_shown():
    stream = Terminal()
    app = bspump.BSPumpApplication(args=[])
    pipeline = bspump.Pipeline(app, "Endless")
    pipeline.build(
        bspump.common.InternalSource(app, pipeline), bspump.common.NullSink(app, pipeline)
    )
    app.PumpService.add_pipeline(pipeline)
    show_progress(app, stream=stream)
    async with app.running():
        await asyncio.sleep(0.3)
    assert stream.getvalue() == ""


async def test_the_log_is_as_it_was_afterwards():
    before = list(logging.getLogger().handlers)
    app, _ = application(Terminal())
    async with app.running():
        assert len(logging.getLogger().handlers) > len(before)
    assert logging.getLogger().handlers == before


def test_the_rate_is_that_of_the_last_seconds():
    track = Track("Read", began_s=0.0)
    for second in range(100):
        track.take(float(second), min(second, 50) * 10 + max(0, second - 50), 2000, "rows")
    assert "1.0 rows/s" not in track.line("")
    assert "  1 rows/s" in track.line("")


def test_a_total_that_is_not_known_or_zero_is_no_trouble():
    track = Track("Read", began_s=0.0)
    track.take(1.0, 5, None, "events")
    assert track.line("#-") == "Read  5 events"
    track.take(2.0, 0, 0, "events")
    assert "100 %" in track.line("#-")
