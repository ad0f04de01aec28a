"""An application ends when it is asked to or has nothing to do, whatever its parts do."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

import bspump
from bspump.core.service import Module, Service
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


def test_it_ends_when_all_bounded_input_has_been_delivered():
    app = bspump.BSPumpApplication(args=[])
    pipelines = [add_pipeline(app, id="One"), add_pipeline(app, id="Two")]
    assert app.run() == 0
    assert [events_of(pipeline) for pipeline in pipelines] == [[1, 2, 3]] * 2
    assert app.Loop.is_closed()


@virtual_time
async def test_it_ends_when_the_last_pipeline_without_an_end_is_deleted():
    app = bspump.BSPumpApplication(args=[])
    add_pipeline(app)
    endless = add_pipeline(app, Feed, "Endless")
    running = asyncio.create_task(app.run_async())
    await asyncio.sleep(60)
    assert not running.done()
    app.PumpService.del_pipeline(endless)
    assert await running == 0


@pytest.mark.parametrize("asked", [None, 3])
def test_a_stop_before_it_runs_is_not_lost(asked):
    app = bspump.BSPumpApplication(args=[])
    add_pipeline(app, Feed)
    app.stop(asked)
    assert app.run() == (asked or 0)


def test_the_largest_exit_code_that_was_asked_for_counts():
    class Stopping(bspump.BSPumpApplication):
        async def main(self):
            for code in (None, 2, 5, 1):
                self.stop(code)

    assert Stopping(args=[]).run() == 5


@virtual_time
async def test_a_stop_while_it_initializes_does_not_wait_for_that():
    notes = []

    class Slow(Noting):
        async def initialize(self, app):
            await super().initialize(app)
            await asyncio.sleep(3600)

    app = bspump.BSPumpApplication(args=[])
    Noting(app, "first", notes)
    Slow(app, "slow", notes)
    Noting(app, "last", notes)
    asyncio.get_running_loop().call_later(5, app.stop, 4)
    assert await app.run_async() == 4
    assert notes == ["+first", "+slow", "-slow", "-first"]
    assert asyncio.get_running_loop().time() < 6


@virtual_time
async def test_a_lookup_that_never_loads_does_not_keep_it_from_stopping():
    class Endless(bspump.Lookup):
        async def load(self):
            await asyncio.get_running_loop().create_future()

    app = bspump.BSPumpApplication(args=[])
    app.PumpService.add_lookup(Endless(app))
    asyncio.get_running_loop().call_later(5, app.stop)
    assert await app.run_async() == 0


@pytest.mark.parametrize("error", [OSError("odd"), asyncio.CancelledError()])
@virtual_time
async def test_when_it_cannot_initialize_what_has_begun_is_finalized(error):
    notes = []

    class Clumsy(Noting):
        async def initialize(self, app):
            await super().initialize(app)
            raise error

    app = bspump.BSPumpApplication(args=[])
    pipeline = add_pipeline(app, Feed)
    Noting(app, "first", notes)
    Clumsy(app, "clumsy", notes)
    Noting(app, "last", notes)
    with pytest.raises((OSError, bspump.ProcessingError)):
        await app.run_async()
    assert notes == ["+first", "+clumsy", "-clumsy", "-first"]
    assert pipeline.State.value == "stopped"
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual_time
async def test_what_cannot_be_finalized_keeps_no_other_from_it(caplog):
    notes = []

    class Clumsy(Noting):
        async def finalize(self, app):
            raise OSError("clumsy")

    app = bspump.BSPumpApplication(args=[])
    pipeline = add_pipeline(app, Feed)
    Noting(app, "first", notes)
    Clumsy(app, "clumsy", notes)
    Noting(app, "last", notes)
    async with app.running():
        pass
    assert notes == ["+first", "+clumsy", "+last", "-last", "-first"]
    assert pipeline.State.value == "stopped"
    assert "finalizing failed" in caplog.text


@virtual_time
async def test_its_own_hooks_frame_those_of_services_and_modules():
    notes = []

    class App(bspump.BSPumpApplication):
        async def initialize(self):
            notes.append("+app")

        async def finalize(self):
            notes.append("-app")

    class Mod(Module):
        async def initialize(self, app):
            notes.append("+module")

        async def finalize(self, app):
            notes.append("-module")

    app = App(args=[])
    Noting(app, "service", notes)
    assert app.add_module(Mod) is app.add_module(Mod)
    async with app.running():
        pass
    assert notes == ["+app", "+module", "+service", "-service", "-module", "-app"]


@virtual_time
async def test_a_task_that_fails_is_logged_and_one_that_does_not_end_too(caplog):
    async def fail():
        raise OSError("odd")

    over = False

    async def deaf():
        while not over:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    app = bspump.BSPumpApplication(args=[])
    async with app.running():
        app.spawn(fail(), name="failing")
        task = app.spawn(deaf(), name="deaf")
        await asyncio.sleep(1)
    assert [r.message for r in caplog.records] == ["task failed", "task does not end"]
    assert [r.fields["task"] for r in caplog.records] == ["failing", "deaf"]
    over = True
    await task


@virtual_time
async def test_tasks_that_others_spawn_when_they_are_cancelled_are_cancelled_too():
    ended = []
    app = bspump.BSPumpApplication(args=[])

    async def wait(depth):
        try:
            await app.Clock.sleep(3600)
        finally:
            ended.append(depth)
            if depth < 3:
                app.spawn(wait(depth + 1), name="next")

    async with app.running():
        app.spawn(wait(0), name="first")
        await asyncio.sleep(1)
    assert ended[0] == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual_time
async def test_a_pipeline_that_is_being_deleted_may_deliver_what_it_has():
    from bspump.testing import MemoryBatchSink, slow

    app = bspump.BSPumpApplication(args=[])
    pipeline = bspump.Pipeline(app, "Tested")
    sink = MemoryBatchSink(app, pipeline)
    pipeline.build(Feed(app, pipeline), sink)
    app.PumpService.add_pipeline(pipeline)
    slow(sink, 5)
    async with app.running():
        await pipeline.process(1)
        app.PumpService.del_pipeline(pipeline)
    assert sink.Events == [1]
