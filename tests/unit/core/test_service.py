"""The service knows everything by its Id, and starts and ends it in the right order."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

import bspump
from bspump.abc.trigger import Trigger
from bspump.testing import Harness, MemorySink, MemorySource, virtual_time


class Feed(bspump.Source):
    async def main(self):
        await self.stopped()


class Cycles(bspump.TriggerSource):
    async def cycle(self):
        await self.Pipeline.process(1)


class Table(bspump.Lookup):
    """Notes what becomes of it."""

    def __init__(self, app, id=None, notes=None, error=None, lazy=False):
        super().__init__(app, id, lazy=lazy)
        self.Notes, self.Error = notes if notes is not None else [], error

    async def load(self):
        self.Notes.append(f"{self.Id} loaded")
        if self.Error is not None:
            raise self.Error
        return True

    async def close(self):
        self.Notes.append(f"{self.Id} closed")
        if self.Error is not None:
            raise self.Error


class Client(bspump.Connection):
    def __init__(self, app, id=None, notes=None, error=None):
        super().__init__(app, id)
        self.Notes, self.Error = notes if notes is not None else [], error

    async def close(self):
        self.Notes.append(f"{self.Id} closed")
        if self.Error is not None:
            raise self.Error


@virtual_time
async def test_lookups_are_loaded_before_pipelines_run_and_closed_after_them():
    notes = []

    class Noting(MemorySink):
        async def open(self):
            notes.append("open")

        async def close(self):
            notes.append("close")

    harness = Harness()
    service = harness.app.PumpService
    service.add_lookups(
        Table(harness.app, "Eager", notes), Table(harness.app, "Lazy", notes, None, True)
    )
    service.add_connection(Client(harness.app, "Client", notes))
    harness.chain(Feed, Noting)
    async with harness:
        await harness.idle()
    assert notes == [
        "Eager loaded",
        "open",
        "close",
        "Eager closed",
        "Lazy closed",
        "Client closed",
    ]


@virtual_time
async def test_without_a_lookup_that_is_required_the_application_does_not_start():
    harness = Harness()
    service = harness.app.PumpService
    for name in ("Broken", "Worse"):
        service.add_lookup(Table(harness.app, name, error=bspump.NotConnectedError("no route")))
    good = service.add_lookup(Table(harness.app, "Good"))
    pipeline = harness.chain(MemorySource)
    with pytest.raises(bspump.ConfigError, match="2 configuration errors") as caught:
        await harness.__aenter__()
    assert "lookup 'Broken' could not be loaded" in str(caught.value)
    assert good.Notes == ["Good loaded", "Good closed"]
    assert pipeline.State.value == "built"


@virtual_time
async def test_without_a_lookup_that_is_not_required_it_starts_and_says_so():
    harness = Harness(["--set", "[lookup:Broken] required=no"])
    service = harness.app.PumpService
    service.add_lookup(Table(harness.app, "Broken", error=bspump.NotConnectedError("no route")))
    harness.chain(MemorySource)
    async with harness:
        harness.send([1])
        await harness.settle()
        assert harness.out() == [1]
    shown = [r.fields for r in harness.logs if r.msg == "lookup could not be loaded"]
    assert shown == [{"lookup": "Broken", "error": "no route"}]


@virtual_time
async def test_what_fails_to_close_or_never_ends_keeps_no_other_from_it():
    class Endless(Client):
        async def close(self):
            await asyncio.get_running_loop().create_future()

    notes = []
    harness = Harness(["--set", "[lookup:Table] required=no"])
    service = harness.app.PumpService
    service.add_lookup(Table(harness.app, "Table", notes, error=OSError("odd")))
    service.add_connections(
        Endless(harness.app, "Endless"),
        Client(harness.app, "Odd", notes, OSError("odd")),
        Client(harness.app, "Last", notes),
    )
    async with harness:
        pass
    assert notes == ["Table loaded", "Table closed", "Odd closed", "Last closed"]
    assert [r.msg for r in harness.logs].count("closing failed") == 3


def test_a_lookup_finds_its_provider_without_any_other_import():
    program = (
        "import bspump\n"
        "app = bspump.BSPumpApplication(args=[])\n"
        "lookup = bspump.Lookup(app, 'Table', {'source_url': 'nowhere.json'})\n"
        "print(type(lookup.Provider).__name__)\n"
        "app.Loop.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("FileBatchLookupProvider\n", "")


@virtual_time
async def test_triggers_are_closed_with_the_application_and_with_their_last_source():
    closed = []

    class Noting(Trigger):
        def close(self):
            closed.append(self.Id)

    harness = Harness()
    app, triggers = harness.app, {}
    for name in ("One", "Two"):
        triggers[name] = Noting(app, id=name)
        pipeline = bspump.Pipeline(app, name)
        pipeline.build(Cycles(app, pipeline).on(triggers[name]), MemorySink(app, pipeline))
        app.PumpService.add_pipeline(pipeline)
    async with harness:
        await harness.idle()
        await app.PumpService.del_pipeline(app.PumpService.locate("One"))
        assert closed == ["One"]
    assert closed == ["One", "Two"]


@virtual_time
async def test_those_that_feed_others_are_stopped_first():
    stopped = []

    class Fed(Feed):
        Feeders = ()

        def feeders(self):
            return self.Feeders

        async def stop(self):
            stopped.append(self.Pipeline.Id)
            await super().stop()

    harness = Harness()
    app = harness.app
    pipelines = {}
    for name in ("Last", "Middle", "First", "Circle1", "Circle2"):
        pipelines[name] = bspump.Pipeline(app, name)
        pipelines[name].build(Fed(app, pipelines[name]), MemorySink(app, pipelines[name]))
        app.PumpService.add_pipeline(pipelines[name])
    for name, feeders in {
        "Last": ["Middle", "First"],
        "Middle": ["First"],
        "Circle1": ["Circle2", "Circle1"],
        "Circle2": ["Circle1"],
    }.items():
        pipelines[name].Sources[0].Feeders = [pipelines[feeder] for feeder in feeders]
    async with harness:
        await harness.idle()
    assert stopped[:3] == ["First", "Middle", "Last"]
    assert sorted(stopped[3:]) == ["Circle1", "Circle2"]


@virtual_time
async def test_everything_is_located_by_its_address():
    async with Harness() as harness:
        service = harness.app.PumpService
        pipeline = harness.chain(Feed, id="A.B")
        plain = harness.chain(Feed, id="Plain")
        assert service.locate("A.B") is pipeline
        assert service.locate("Plain") is plain
        assert service.locate("Plain.Out") is plain.locate_processor("Out")
        assert service.locate("Plain.*Feed") is plain.Sources[0]
        assert [service.locate(a) for a in ("Plain.Nobody", "Plain.*Nobody", "Nobody")] == [
            None
        ] * 3
        for part in (*plain.Sources, *plain.iter_processors()):
            assert service.locate(part.locate_address()) is part


@virtual_time
async def test_what_is_not_registered_is_named_together_with_what_is():
    async with Harness() as harness:
        service = harness.app.PumpService
        client = service.add_connection(Client(harness.app, "Kafka"))
        table = service.add_lookup(Table(harness.app, "Users"))
        assert service.locate_connection("Kafka") is service.locate_connection(client) is client
        assert service.locate_lookup("Users") is service.locate_lookup(table) is table
        with pytest.raises(LookupError, match="did you mean 'Kafka'"):
            service.locate_connection("kafka")
        with pytest.raises(LookupError, match="defined: 'Users'"):
            service.locate_lookup("nobody")
        with pytest.raises(bspump.ConfigError, match="registered already"):
            service.add_lookup(Table(harness.app, "Users"))


@virtual_time
async def test_a_factory_of_lookups_is_asked_before_the_registry():
    async with Harness() as harness:
        table = Table(harness.app, "Made")

        class Factory:
            def locate_lookup(self, lookup, context):
                return table if context == {"tenant": 1} else None

        harness.app.PumpService.add_lookup_factory(Factory())
        registered = harness.app.PumpService.add_lookup(Table(harness.app, "Made"))
        assert harness.app.PumpService.locate_lookup("Made", {"tenant": 1}) is table
        assert harness.app.PumpService.locate_lookup("Made", {}) is registered
