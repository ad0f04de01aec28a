"""What a pipeline promises, by what it is made of."""

from __future__ import annotations

import logging
from functools import partial

import pytest

import bspump
import bspump.common
from bspump import Can
from bspump.abc.state import Snapshot
from bspump.core.guarantees import Promise, guarantee_of
from bspump.state import MemoryStateStore
from bspump.testing import (
    Harness,
    MemoryBatchSink,
    MemoryEpochSink,
    MemorySource,
    MemoryTable,
    MemoryTwoPhaseSink,
    MemoryUpsertSink,
    virtual_time,
)


class Lossy(bspump.Source):
    async def main(self):
        await self.stopped()


class Broker(bspump.PullSource):
    Capabilities = Can.REDELIVER

    async def read(self, position):
        await self.stopped()


class KnowingBroker(Broker):
    Capabilities = Can.REDELIVER | Can.IDENTIFY


class ResumableBroker(Broker):
    Capabilities = Can.REDELIVER | Can.RESUME


class Remembering(bspump.Processor):
    def process(self, context, event):
        return event

    def snapshot(self):
        return Snapshot(value=1)


epoch = partial(MemoryEpochSink, table=MemoryTable())
two_phase = partial(MemoryTwoPhaseSink, table=MemoryTable())
upsert = partial(MemoryUpsertSink, key=str)

MOST, LEAST, EXACT = Promise.AT_MOST_ONCE, Promise.AT_LEAST_ONCE, Promise.EXACTLY_ONCE


def harness_with(*, durable):
    return Harness(store=MemoryStateStore() if durable else None)


@virtual_time
@pytest.mark.parametrize(
    ("parts", "promise", "without_store"),
    [
        ([MemorySource, epoch], EXACT, MOST),
        ([MemorySource, two_phase], EXACT, MOST),
        ([MemorySource, upsert], EXACT, MOST),
        ([MemorySource, bspump.common.NullSink], EXACT, MOST),
        ([MemorySource, MemoryBatchSink], LEAST, MOST),
        ([MemorySource, Remembering, epoch], EXACT, MOST),
        ([Broker, epoch], LEAST, LEAST),
        ([Broker, MemoryBatchSink], LEAST, LEAST),
        ([Broker, Remembering, MemoryBatchSink], LEAST, MOST),
        ([KnowingBroker, epoch], EXACT, LEAST),
        ([ResumableBroker, upsert], EXACT, LEAST),
        ([KnowingBroker, MemoryBatchSink], LEAST, LEAST),
        ([Lossy, epoch], MOST, MOST),
        ([MemorySource, Lossy, epoch], MOST, MOST),
    ],
)
async def test_the_promise_is_that_of_the_weakest_part(parts, promise, without_store):
    for durable, expected in ((True, promise), (False, without_store)):
        pipeline = harness_with(durable=durable).chain(*parts)
        guarantee = guarantee_of(pipeline)
        assert guarantee.promise is expected, guarantee.text()
        assert all(each.remedy for each in guarantee.findings if each.promise < EXACT)
        assert not any(each.remedy for each in guarantee.findings if each.promise is EXACT)


@virtual_time
async def test_a_linked_source_promises_what_its_feeders_do():
    class Route(bspump.common.RouterSink):
        def process(self, context, event):
            self.route(context, event, "Second.*InternalSource")

    harness = harness_with(durable=True)
    harness.chain(MemorySource, Route, id="First")
    second = harness.chain(bspump.common.InternalSource, epoch, id="Second")
    assert guarantee_of(second).promise is EXACT
    harness.chain(Lossy, Route, id="Third")
    guarantee = guarantee_of(second)
    assert guarantee.promise is MOST
    assert "its events come by Third.*Lossy" in guarantee.text()
    assert guarantee_of(harness.pipelines[0]).promise is EXACT


@virtual_time
async def test_a_source_that_the_program_feeds_promises_little():
    pipeline = harness_with(durable=True).chain(bspump.common.InternalSource, epoch)
    assert guarantee_of(pipeline).promise is MOST


@virtual_time
async def test_pipelines_that_feed_each_other_are_looked_at_once():
    class Route(bspump.common.RouterSink):
        def process(self, context, event):
            self.route(context, event, "Second.*InternalSource")

    harness = harness_with(durable=True)
    first = harness.chain(bspump.common.InternalSource, MemorySource, Route, id="First")
    second = harness.chain(bspump.common.InternalSource, Route, id="Second")
    assert guarantee_of(first).promise is EXACT
    assert guarantee_of(second).promise is EXACT


@virtual_time
async def test_of_connected_pipelines_one_sink_alone_may_keep_the_epoch():
    class Route(bspump.common.TeeProcessor):
        pass

    harness = harness_with(durable=True)
    first = harness.chain(MemorySource, Route, partial(epoch, id="A"), id="First")
    assert guarantee_of(first).promise is EXACT
    second = harness.chain(bspump.common.TeeSource, partial(epoch, id="B"), id="Second")
    second.Sources[0].bind("First.Route")
    for pipeline in (first, second):
        guarantee = guarantee_of(pipeline)
        assert guarantee.promise is LEAST
        assert "commits apart from" in guarantee.text()
    third = harness.chain(MemorySource, partial(epoch, id="C"), id="Third")
    assert guarantee_of(third).promise is EXACT


@virtual_time
async def test_events_that_are_dropped_on_purpose_are_said():
    class Soft(bspump.Pipeline):
        def __init__(self, app, id=None):
            config = {"on_error": "skip", "on_error_of": {"Remembering": "dead_letter"}}
            super().__init__(app, id, config)
            self.build(
                MemorySource(app, self), Remembering(app, self), bspump.common.NullSink(app, self)
            )

        def handle_error(self, exception, context, event):
            return True

    guarantee = guarantee_of(harness_with(durable=True).pipeline(Soft))
    assert guarantee.notes == (
        "`handle_error` decides first, and may drop events that fail",
        "on_error = skip drops events that fail, on purpose",
        "on_error_of.Remembering = dead_letter sets events that fail aside, to the store, for"
        " `bspump dead-letters`",
    )
    assert "note: on_error = skip" in guarantee.text()


@virtual_time
async def test_each_promise_is_logged_at_the_start():
    harness = harness_with(durable=True)
    harness.chain(MemorySource, epoch, id="Exact")
    harness.chain(Lossy, epoch, id="Lossy")
    async with harness:
        pass
    said = {r.fields["pipeline"]: r for r in harness.logs if r.getMessage() == "guarantee"}
    assert all(record.levelno == logging.INFO for record in said.values())
    assert said["Exact"].fields == {"pipeline": "Exact", "promise": "exactly once"}
    assert said["Lossy"].fields["promise"] == "at most once"
    assert said["Lossy"].fields["because"].startswith("Lossy.*Lossy: what it brought")


@virtual_time
async def test_a_pipeline_shows_its_promise():
    pipeline = harness_with(durable=False).chain(Broker, MemoryBatchSink)
    shown = pipeline.rest_get()["Guarantee"]
    assert shown["promise"] == "at least once"
    assert [each["part"] for each in shown["findings"]] == ["Test.*Broker", "Test.MemoryBatchSink"]


@virtual_time
@pytest.mark.parametrize(
    ("require", "parts", "is_met"),
    [
        ("exactly-once", [MemorySource, epoch], True),
        ("exactly-once", [MemorySource, MemoryBatchSink], False),
        ("at-least-once", [MemorySource, MemoryBatchSink], True),
        ("at-least-once", [Lossy, epoch], False),
        ("nothing", [Lossy, MemoryBatchSink], True),
    ],
)
async def test_what_is_required_is_enforced_before_anything_starts(require, parts, is_met):
    opened = []

    class Sentinel(bspump.common.NullSink):
        async def open(self):
            opened.append(self)

    harness = harness_with(durable=True)
    harness.chain(*parts, config={"require": require})
    harness.chain(Lossy, Sentinel, id="Other")
    if is_met:
        async with harness:
            await harness.idle()
        return
    with pytest.raises(bspump.ConfigError) as caught:
        async with harness:
            pass
    assert opened == []
    assert f"[pipeline:Test] require = {require}: the pipeline promises" in str(caught.value)
    assert "what to do: " in str(caught.value)


@virtual_time
async def test_a_source_that_may_begin_something_again_promises_at_least_once():
    class Repeating(MemorySource):
        Capabilities = MemorySource.Capabilities | Can.REPEAT

    async with Harness(store=MemoryStateStore()) as harness:
        pipeline = harness.chain(Repeating, epoch)
        found = guarantee_of(pipeline)
        assert found.promise is Promise.AT_LEAST_ONCE
        assert "begin something again" in found.findings[0].why
