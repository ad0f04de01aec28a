"""What `docs/migrating.md` says of the engine and of common parts is so."""

from __future__ import annotations

import asyncio

import pytest

import bspump
import bspump.common
from bspump.abc.errors import ConfigErrors
from bspump.cache import LRUCacheDict
from bspump.trigger import PeriodicTrigger


class Raise(bspump.Processor):
    def process(self, context, event):
        if event == "bad":
            raise ValueError(event)
        return event


class Twice(bspump.Generator):
    def generate(self, context, event, depth):
        yield from (event, event)


class Tolerant(bspump.Pipeline):
    def __init__(self, app):
        super().__init__(app, "Tolerant")
        self.seen = []

    def handle_error(self, exception, context, event):
        self.seen.append((context, event))
        return True


class Feed(bspump.Source):
    events = ()

    async def main(self):
        await self.Pipeline.process_many(list(self.events), [{"n": 1} for _ in self.events])
        self.App.stop()


def _app(*settings):
    return bspump.BSPumpApplication(args=[f"--set={setting}" for setting in settings])


def _run(app, pipeline, events, *parts):
    source, sink = Feed(app, pipeline), bspump.common.ListSink(app, pipeline)
    source.events = events
    pipeline.build(source, *(part(app, pipeline) for part in parts), sink)
    app.PumpService.add_pipeline(pipeline)
    counted = {}

    def count(message, *args):
        app.MetricsService.collect()
        counted.update(pipeline.MetricsCounter.values)

    app.PubSub.subscribe("Metrics.flush!", count)
    assert app.run() == 0
    return sink.Events, counted


def test_a_stop_before_the_run_is_not_lost():
    app = _app()
    pipeline = bspump.Pipeline(app, "Endless")
    pipeline.build(
        bspump.common.InternalSource(app, pipeline), bspump.common.NullSink(app, pipeline)
    )
    app.PumpService.add_pipeline(pipeline)
    app.stop()
    app.stop()
    app.stop()
    assert app.run() == 0


def test_nothing_can_be_appended_behind_a_sink():
    app = _app()
    pipeline = bspump.Pipeline(app, "Full")
    pipeline.append_processor(bspump.common.NullSink(app, pipeline))
    with pytest.raises(ValueError, match="nothing can follow the sink"):
        pipeline.append_processor(bspump.common.NullSink(app, pipeline))
    app.Loop.close()


def test_behind_a_generator_the_handler_gets_the_event_and_the_other_items_go_on():
    app = _app()
    pipeline = Tolerant(app)
    events, counted = _run(app, pipeline, ["good", "bad", "good"], Twice, Raise)
    assert events == ["good"] * 4
    assert pipeline.seen == [({"n": 1}, "bad")] * 2
    assert counted["warning"] == 2


def test_failures_are_not_drops():
    app = _app()
    _, counted = _run(app, Tolerant(app), ["good", "bad"], Raise)
    names = ("event.in", "event.out", "event.drop", "event.fail", "warning")
    assert [counted[name] for name in names] == [2, 1, 0, 1, 1]


def test_on_error_skip_needs_no_handler():
    app = _app("[pipeline:Plain] on_error=skip")
    events, counted = _run(app, bspump.Pipeline(app, "Plain"), ["bad", "good"], Raise)
    assert events == ["good"]
    assert counted["warning"] == 1


def test_the_queue_of_an_internal_source_holds_a_thousand_and_is_never_unbounded():
    app = _app()
    source = bspump.common.InternalSource(app, bspump.Pipeline(app, "In"))
    assert source.Options.queue_max_size == 1000
    for number in range(1000):
        source.put({}, number)
    with pytest.raises(asyncio.QueueFull):
        source.put({}, 1000)
    app.Loop.close()
    app = _app("[pipeline:In:InternalSource] queue_max_size=0")
    bspump.common.InternalSource(app, bspump.Pipeline(app, "In"))
    with pytest.raises(ConfigErrors, match="queue_max_size"):
        app.Config.raise_if_wrong()
    app.Loop.close()


def test_a_lookup_without_a_url_is_a_master():
    app = _app()
    lookup = bspump.DictionaryLookup(app, "Countries")
    assert lookup.is_master()
    assert lookup.MasterURL is None
    app.Loop.close()


def test_a_slave_may_be_told_its_master_with_and_without_a_scheme():
    app = _app()
    urls = [
        bspump.DictionaryLookup(app, "L", config={"master_url": master}).MasterURL
        for master in ("https://one:8080", "one:8080")
    ]
    endpoint = "one:8080/bspump/v1/lookup/L"
    assert urls == [f"https://{endpoint}", f"http://{endpoint}"]
    app.Loop.close()


def test_a_load_replaces_the_content_of_a_lookup():
    app = _app()
    lookup = bspump.DictionaryLookup(app, "Countries")
    lookup.deserialize(b'{"a": 1}')
    lookup.deserialize(b'{"b": 2}')
    assert lookup.Dictionary == {"b": 2}
    app.Loop.close()


def test_the_id_of_a_trigger_is_its_id():
    app = _app()
    trigger = PeriodicTrigger(app, 1, id="Each")
    assert (trigger.Id, trigger.MaxTriggered) == ("Each", None)
    trigger.fire()
    app.Loop.close()


def test_get_of_a_cache_returns_the_value():
    app = _app()
    cache = LRUCacheDict(app, max_size=2)
    cache["a"] = 1
    assert cache.get("a") == 1
    app.Loop.close()


def test_an_iterator_ends_the_application_by_itself():
    app = _app()
    pipeline = bspump.Pipeline(app, "Numbers")
    sink = bspump.common.ListSink(app, pipeline)
    pipeline.build(bspump.common.IteratorSource(app, pipeline, range(3)), sink)
    app.PumpService.add_pipeline(pipeline)
    assert app.run() == 0
    assert sink.Events == [0, 1, 2]


def test_declared_options_have_their_type_and_own_defaults_stay_as_they_are():
    class Own(bspump.Processor):
        ConfigDefaults = {"limit": 1}

    app = _app("[pipeline:P:Own] limit=10", "[pipeline:P:InternalSource] queue_max_size=10")
    pipeline = bspump.Pipeline(app, "P")
    assert Own(app, pipeline).Config["limit"] == "10"
    source = bspump.common.InternalSource(app, pipeline)
    assert source.Config["queue_max_size"] == source.Options.queue_max_size == 10
    app.Loop.close()
