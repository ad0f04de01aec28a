"""Processors that put what a lookup knows into events, in pipelines that run."""

from __future__ import annotations

import asyncio

import pytest

import bspump
from bspump.abc.errors import ConfigError, TransientError, UnknownNameError
from bspump.lookup import AsyncLookupEnricher, DictionaryLookup, KeyedLookup, LookupEnricher
from bspump.testing import MemorySink, MemorySource

USERS = {"1": {"name": "Ada", "team": "x"}, "2": {"name": "Bob"}, "3": 33}


class Remote(KeyedLookup):
    """The same users, somewhere else; whoever is asked for later answers earlier."""

    Delays = 3

    async def fetch(self, key):
        for _ in range(self.Delays):
            await asyncio.sleep(0)
        self.Delays = 0
        if key == "away":
            raise TransientError("away")
        return USERS.get(key)


class Enriching(bspump.Pipeline):
    """Lets events through one enricher, and keeps going after errors."""

    def __init__(self, app, enricher, events, id="Enriching", **kwargs):
        super().__init__(app, id, config={"on_error": "skip"})
        self.Errors = []
        self.Sink = MemorySink(app, self)
        self.Enricher = enricher(app, self, **kwargs)
        self.build(MemorySource(app, self, events), self.Enricher, self.Sink)

    def handle_error(self, exception, context, event):
        self.Errors.append((event, exception))
        return True


def metric(app):
    (found,) = [m for m in app.MetricsService.Metrics if m.name == "bspump.lookup.enricher"]
    return found


@pytest.fixture(params=["at once", "to be waited for"])
def run(request):
    """Return a function that runs events through an enricher of either kind."""

    async def enrich(events, lookup="Users", **kwargs):
        app = bspump.BSPumpApplication(args=[])
        if request.param == "at once":
            users, enricher = DictionaryLookup(app, "Users"), LookupEnricher
            users.set(USERS)
        else:
            users, enricher = Remote(app, "Users"), AsyncLookupEnricher
        app.PumpService.add_lookup(users)
        lookup = users if lookup is None else lookup
        pipeline = Enriching(app, enricher, events, lookup=lookup, **kwargs)
        app.PumpService.add_pipeline(pipeline)
        assert await asyncio.wait_for(app.run_async(), 10) == 0
        return pipeline

    return enrich


async def test_a_value_gets_into_a_field_of_a_new_event(run):
    events = [{"id": "2", "a": 1}, {"id": "1"}, {"id": "3"}]
    pipeline = await run(events, key="id", target="user")
    assert pipeline.Sink.Events == [
        {"id": "2", "a": 1, "user": {"name": "Bob"}},
        {"id": "1", "user": {"name": "Ada", "team": "x"}},
        {"id": "3", "user": 33},
    ]
    assert events == [{"id": "2", "a": 1}, {"id": "1"}, {"id": "3"}]


async def test_without_a_target_the_fields_of_the_value_become_fields_of_the_event(run):
    pipeline = await run([{"id": "1", "name": "?"}], lookup=None, key="id")
    assert pipeline.Sink.Events == [{"id": "1", "name": "Ada", "team": "x"}]


async def test_a_value_without_fields_needs_a_target(run):
    pipeline = await run([{"id": "3"}, {"id": "2"}], key="id")
    assert pipeline.Sink.Events == [{"id": "2", "name": "Bob"}]
    ((event, error),) = pipeline.Errors
    assert event == {"id": "3"}
    assert "type int" in str(error)


async def test_only_the_fields_that_are_named_are_taken(run):
    pipeline = await run([{"id": "1"}, {"id": "2"}], key="id", config={"fields": "team, size"})
    assert pipeline.Sink.Events == [{"id": "1", "team": "x"}, {"id": "2"}]


async def test_what_one_event_does_to_its_value_no_other_sees(run):
    pipeline = await run([{"id": "1"}, {"id": "1"}], key="id", target="user")
    first, second = pipeline.Sink.Events
    first["user"]["name"] = "changed"
    assert second["user"]["name"] == "Ada"
    assert USERS["1"]["name"] == "Ada"


async def test_a_key_may_be_deep_in_the_event_or_have_dots_in_its_name(run):
    events = [{"a": {"b": "1"}}, {"a.b": "2"}, {"a": "1"}, {"a": {"b": None}}, {}]
    pipeline = await run(events, key="a.b", target="user", config={"fields": "name"})
    assert [event.get("user") for event in pipeline.Sink.Events] == [
        {"name": "Ada"},
        {"name": "Bob"},
        None,
        None,
        None,
    ]


async def test_several_fields_make_a_key_together():
    app = bspump.BSPumpApplication(args=[])
    lookup = app.PumpService.add_lookup(DictionaryLookup(app, "Users"))
    lookup.set({("1", "x"): 5})
    events = [{"id": "1", "team": "x"}, {"id": "1"}, {"id": "1", "team": "y"}]
    pipeline = Enriching(
        app, LookupEnricher, events, lookup="Users", key=["id", "team"], target="seat"
    )
    app.PumpService.add_pipeline(pipeline)
    await app.run_async()
    assert [event.get("seat") for event in pipeline.Sink.Events] == [5, None, None]


MISSING = [{"id": "1"}, {"id": "9"}, {}]


@pytest.mark.parametrize(
    ("policy", "default", "expected"),
    [
        ("keep", None, [{"id": "9"}, {}]),
        ("default", None, [{"id": "9", "user": None}, {"user": None}]),
        ("default", "?", [{"id": "9", "user": "?"}, {"user": "?"}]),
        ("drop", None, []),
        ("reject", None, []),
    ],
)
async def test_an_event_without_a_value_becomes_what_the_policy_says(
    run, policy, default, expected
):
    pipeline = await run(
        MISSING, key="id", target="user", default=default, config={"missing": policy}
    )
    assert pipeline.Sink.Events[1:] == expected
    rejected = [event for event, _ in pipeline.Errors]
    assert rejected == (MISSING[1:] if policy == "reject" else [])
    if policy == "reject":
        assert "'9'" in str(pipeline.Errors[0][1])


async def test_hits_and_misses_are_counted(run):
    pipeline = await run([*MISSING, {"id": "2"}], key="id", config={"missing": "reject"})
    found = metric(pipeline.App)
    assert found.values == {"hit": 2, "miss": 2}
    assert found.tags == {"pipeline": "Enriching", "processor": pipeline.Enricher.Id}


async def test_events_leave_in_the_order_in_which_they_came(run):
    events = [{"id": str(n % 3), "n": n} for n in range(500)]
    pipeline = await run(events, key="id", target="user")
    assert [event["n"] for event in pipeline.Sink.Events] == list(range(500))


async def test_what_cannot_be_known_now_is_an_error_and_no_missing_value():
    app = bspump.BSPumpApplication(args=[])
    app.PumpService.add_lookup(Remote(app, "Users"))
    pipeline = Enriching(
        app, AsyncLookupEnricher, [{"id": "away"}, {"id": "1"}], lookup="Users", key="id"
    )
    app.PumpService.add_pipeline(pipeline)
    await app.run_async()
    assert [event["id"] for event in pipeline.Sink.Events] == ["1"]
    ((event, error),) = pipeline.Errors
    assert (event, str(error)) == ({"id": "away"}, "away")


async def test_many_events_of_one_key_are_one_request():
    app = bspump.BSPumpApplication(args=[])
    lookup = app.PumpService.add_lookup(Remote(app, "Users"))
    events = [{"id": str(n % 2)} for n in range(1000)]
    pipeline = Enriching(app, AsyncLookupEnricher, events, lookup="Users", key="id")
    app.PumpService.add_pipeline(pipeline)
    await app.run_async()
    assert len(pipeline.Sink.Events) == 1000
    assert lookup.Counts["request"] == 2


@pytest.mark.parametrize(
    ("enricher", "lookup", "advice"),
    [
        (LookupEnricher, Remote, "use AsyncLookupEnricher"),
        (AsyncLookupEnricher, DictionaryLookup, "use LookupEnricher"),
        (LookupEnricher, bspump.Lookup, "has no `get`"),
    ],
)
async def test_the_wrong_kind_of_lookup_is_refused_with_advice(app, enricher, lookup, advice):
    with pytest.raises(ConfigError, match=advice):
        Enriching(app, enricher, [], lookup=lookup(app, "Users"), key="id")


async def test_a_lookup_that_is_not_registered_is_refused(app):
    with pytest.raises(UnknownNameError, match="'Users'"):
        Enriching(app, LookupEnricher, [], lookup="Users", key="id")


@pytest.mark.parametrize("key", ["", [], ["a", ""]])
async def test_a_key_without_a_name_is_refused(app, key):
    with pytest.raises(ConfigError, match="key"):
        Enriching(app, LookupEnricher, [], lookup=DictionaryLookup(app), key=key)


async def test_a_default_that_does_not_fit_is_refused(app):
    with pytest.raises(ConfigError, match="default"):
        Enriching(
            app,
            LookupEnricher,
            [],
            lookup=DictionaryLookup(app),
            key="id",
            default=5,
            config={"missing": "default"},
        )


async def test_it_can_be_declared(app):
    lookup = app.PumpService.add_lookup(DictionaryLookup(app, "Users"))
    lookup.set(USERS)
    pipeline = bspump.Pipeline(app, "Declared")
    definition = {
        "id": "Enricher",
        "args": {"lookup": "Users", "key": "id", "target": "user"},
        "config": {"missing": "drop"},
    }
    enricher = LookupEnricher.construct(app, pipeline, definition)
    assert enricher.process({}, {"id": "3"}) == {"id": "3", "user": 33}
    assert enricher.process({}, {"id": "4"}) is None
