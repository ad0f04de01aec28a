"""The ways in which an application is run; afterwards everything is as it was."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import threading
import weakref

import pytest

import bspump
from bspump.core.application import EX_CONFIG
from bspump.core.service import Service
from bspump.testing import virtual_time


class Bounded(bspump.Source):
    Done = False

    async def main(self):
        await self.Pipeline.ready()
        await self.Pipeline.process_many([1, 2, 3])
        self.Done = True

    def is_finished(self):
        return self.Done


class Feed(bspump.Source):
    async def main(self):
        await self.stopped()


class Collect(bspump.Sink):
    def __init__(self, app, pipeline, id=None):
        super().__init__(app, pipeline, id)
        self.Events = []

    def process(self, context, event):
        self.Events.append(event)


class Noting(Service):
    """Notes what becomes of it."""

    def __init__(self, app, name, notes):
        super().__init__(app, name)
        self.Notes = notes

    async def initialize(self, app):
        self.Notes.append(f"+{self.Name}")

    async def finalize(self, app):
        self.Notes.append(f"-{self.Name}")


def add_pipeline(app, source=Bounded, id="Tested"):
    pipeline = bspump.Pipeline(app, id)
    pipeline.build(source(app, pipeline), Collect(app, pipeline))
    app.PumpService.add_pipeline(pipeline)
    return pipeline


def events_of(pipeline):
    return pipeline.locate_processor("Collect").Events


def test_what_is_wrong_with_the_configuration_is_printed_whole(capsys):
    args = ["--set", "[pipeline:Tested] slice=long", "--set", "[pipeline:Tested] nonsense=1"]
    app = bspump.BSPumpApplication(args=args)
    add_pipeline(app)
    assert app.run() == EX_CONFIG == 78
    printed = capsys.readouterr().err
    assert "2 configuration errors" in printed
    assert "slice" in printed
    assert "nonsense" in printed
    assert app.Loop.is_closed()


def test_an_application_runs_once():
    app = bspump.BSPumpApplication(args=[])
    app.stop()
    app.run()
    with pytest.raises(RuntimeError, match="runs once"):
        app.run()


async def test_an_application_of_a_running_loop_says_how_to_run_it():
    app = bspump.BSPumpApplication(args=[])
    with pytest.raises(RuntimeError, match=r"use `await app.run_async\(\)`"):
        app.run()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_from_inside_of_a_task_stops_the_pipelines_first(error):
    class Quit(Feed):
        async def main(self):
            await self.Pipeline.process(1)
            raise error

    app = bspump.BSPumpApplication(args=[])
    quitting = add_pipeline(app, Quit, "Quit")
    other = add_pipeline(app, Feed, "Other")
    with pytest.raises(type(error)):
        app.run()
    assert events_of(quitting) == [1]
    assert [p.State.value for p in (quitting, other)] == ["stopped"] * 2
    assert app.Loop.is_closed()


def test_applications_follow_each_other_and_leave_nothing_behind():
    def run():
        app = bspump.BSPumpApplication(args=["-v"])
        add_pipeline(app)
        add_pipeline(app, id="Other")
        assert app.run() == 0
        return weakref.ref(app)

    root = logging.getLogger()
    before = (
        root.level,
        list(root.handlers),
        threading.active_count(),
        [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
    )
    references = [run() for _ in range(3)]
    after = (
        root.level,
        list(root.handlers),
        threading.active_count(),
        [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
    )
    assert after == before
    gc.collect()
    assert [reference() for reference in references] == [None] * 3
    assert gc.get_freeze_count() == 0


async def test_who_listened_to_a_signal_before_listens_again_afterwards():
    heard = []
    before = signal.signal(signal.SIGHUP, lambda number, frame: heard.append(number))
    try:
        async with bspump.BSPumpApplication(args=[]).running():
            signal.raise_signal(signal.SIGHUP)
            await asyncio.sleep(0)
        assert heard == []
        signal.raise_signal(signal.SIGHUP)
        assert heard == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_two_applications_can_run_in_one_loop():
    first, second = bspump.BSPumpApplication(args=[]), bspump.BSPumpApplication(args=[])
    pipelines = [add_pipeline(first), add_pipeline(second)]
    assert await asyncio.gather(first.run_async(), second.run_async()) == [0, 0]
    assert [events_of(pipeline) for pipeline in pipelines] == [[1, 2, 3]] * 2


def test_it_can_run_in_another_thread():
    codes = []

    def run():
        app = bspump.BSPumpApplication(args=[])
        add_pipeline(app)
        codes.append(app.run())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert codes == [0]


@virtual_time
async def test_being_cancelled_it_ends_all_it_has_begun():
    app = bspump.BSPumpApplication(args=[])
    add_pipeline(app, Feed)
    running = asyncio.create_task(app.run_async())
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_service_of_a_name_that_is_taken_is_refused():
    app = bspump.BSPumpApplication(args=[])
    with pytest.raises(bspump.ConfigError, match="is registered already"):
        Noting(app, "bspump.PumpService", [])
    with pytest.raises(LookupError, match=r"did you mean 'bspump\.PumpService'"):
        app.get_service("bspump.PumpServise")
    app.Loop.close()


def test_the_program_is_the_default_source_of_its_arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program", "--set", "[a] b=1"])
    app = bspump.BSPumpApplication()
    assert app.Arguments.set == ["[a] b=1"]
    app.Loop.close()
