from __future__ import annotations

import pytest

import bspump
from bspump.abc.errors import ConfigError, UnknownNameError
from bspump.common import (
    InternalSource,
    IteratorSource,
    ListSink,
    TeeProcessor,
    TeeSource,
)
from bspump.testing import Harness, MemorySource, virtual_time


def trunk(app, source=MemorySource, **config):
    pipeline = bspump.Pipeline(app, "Trunk")
    sink = ListSink(app, pipeline)
    pipeline.build(source(app, pipeline), TeeProcessor(app, pipeline, config=config), sink)
    app.PumpService.add_pipeline(pipeline)
    return pipeline, sink


def branch(app, id, address="Trunk.TeeProcessor", **config):
    pipeline = bspump.Pipeline(app, id)
    sink = ListSink(app, pipeline)
    pipeline.build(TeeSource(app, pipeline, config=config).bind(address), sink)
    app.PumpService.add_pipeline(pipeline)
    return pipeline, sink


@virtual_time
@pytest.mark.parametrize("is_first", [True, False])
async def test_every_branch_gets_every_event_and_all_of_it_ends(is_first):
    app = Harness().app
    sinks = []
    if is_first:
        sinks.append(branch(app, "One")[1])
    sinks.append(trunk(app, lambda a, p: IteratorSource(a, p, range(5000)))[1])
    sinks += [branch(app, id, queue_max_size=7)[1] for id in ("Two", "Three")]
    assert await app.run_async() == 0
    assert [sink.Events for sink in sinks] == [list(range(5000))] * len(sinks)


@virtual_time
async def test_nothing_is_missed_while_a_branch_connects():
    class SlowSink(ListSink):
        async def open(self):
            await self.App.Clock.sleep(5)

    app = Harness().app
    trunk(app, lambda a, p: IteratorSource(a, p, range(5000)))
    pipeline = bspump.Pipeline(app, "Branch")
    sink = SlowSink(app, pipeline)
    pipeline.build(TeeSource(app, pipeline).bind("Trunk.TeeProcessor"), sink)
    app.PumpService.add_pipeline(pipeline)
    await app.run_async()
    assert sink.Events == list(range(5000))


@virtual_time
@pytest.mark.parametrize("copy_event", [True, False])
async def test_branches_get_copies_unless_they_are_not_wanted(copy_event):
    async with Harness() as harness:
        main, sink = trunk(harness.app, copy_event=copy_event)
        other, copies = branch(harness.app, "Branch")
        other.start()
        main.start()
        harness.send([{"a": [1]}], contexts=[{"n": 1}])
        await harness.idle()
        assert copies.Events == sink.Events == [{"a": [1]}]
        assert copies.Contexts == [{"ancestor": {"n": 1}}]
        assert (copies.Events[0] is sink.Events[0]) is not copy_event


@virtual_time
async def test_a_slow_branch_holds_the_trunk_back():
    async with Harness() as harness:
        main, sink = trunk(harness.app)
        other, copies = branch(harness.app, "Branch", queue_max_size=10)
        other.start()
        main.start()
        other.throttle("test", True)
        harness.send(range(100))
        await harness.idle()
        assert len(sink.Events) <= 8
        other.throttle("test", False)
        await harness.idle()
        assert copies.Events == sink.Events == list(range(100))


@virtual_time
async def test_a_branch_that_stops_gets_what_was_copied_and_no_more():
    async with Harness() as harness:
        main, sink = trunk(harness.app)
        other, copies = branch(harness.app, "Branch")
        other.start()
        main.start()
        harness.send([1, 2])
        await harness.idle()
        await other.stop()
        harness.send([3])
        await harness.idle()
        assert (copies.Events, sink.Events) == ([1, 2], [1, 2, 3])
        assert main.is_ready()
        other.start()
        await harness.idle()
        harness.send([4])
        await harness.idle()
        assert copies.Events == [1, 2, 4]


@virtual_time
async def test_branches_are_bound_and_unbound_while_it_runs():
    async with Harness() as harness:
        main, _ = trunk(harness.app)
        pipeline = bspump.Pipeline(harness.app, "Branch")
        sink = ListSink(harness.app, pipeline)
        source = TeeSource(harness.app, pipeline)
        pipeline.build(source, sink)
        harness.pipeline(pipeline)
        main.start()
        harness.send([1])
        await harness.idle()
        assert source.bind("Trunk.TeeProcessor") is source
        harness.send([2])
        await harness.idle()
        source.unbind("Trunk.TeeProcessor")
        source.unbind("Trunk.TeeProcessor")
        harness.send([3])
        await harness.idle()
        assert sink.Events == [2]


@virtual_time
async def test_a_tee_may_be_told_its_branches():
    async with Harness() as harness:
        main, _ = trunk(harness.app)
        pipeline = bspump.Pipeline(harness.app, "Branch")
        sink = ListSink(harness.app, pipeline)
        pipeline.build(InternalSource(harness.app, pipeline), sink)
        harness.pipeline(pipeline)
        tee = main.locate_processor("TeeProcessor")
        for _ in range(2):
            tee.bind("Branch.*InternalSource")
        main.start()
        harness.send([1])
        await harness.idle()
        tee.unbind("Branch.*InternalSource")
        harness.send([2])
        await harness.idle()
        assert sink.Events == [1]
        with pytest.raises(UnknownNameError):
            tee.bind("Nowhere.*Source")


@virtual_time
@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("Trunk.Nothing", UnknownNameError, "TeeProcessor 'Trunk.Nothing' is not defined"),
        ("Trunk.ListSink", ConfigError, "expected the address of a TeeProcessor"),
    ],
)
async def test_a_wrong_address_is_an_error_of_the_branch(address, error, message):
    async with Harness() as harness:
        main, _ = trunk(harness.app)
        pipeline = bspump.Pipeline(harness.app, "Branch")
        source = TeeSource(harness.app, pipeline).bind(address)
        pipeline.build(source, ListSink(harness.app, pipeline))
        main.start()
        harness.pipeline(pipeline)
        await harness.idle()
        (failure,) = harness.errors
        assert isinstance(failure.error, error)
        assert message in str(failure.error)
        assert pipeline.has_error()
