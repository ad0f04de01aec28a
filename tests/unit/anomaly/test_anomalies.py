"""The original's anomalies: from events to symptoms, to anomalies, to their storage."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import pytest
from aiohttp import web

import bspump
from bspump.abc.anomaly import Anomaly
from bspump.abc.errors import ConfigError
from bspump.anomaly.anomaly import GeneralAnomaly
from bspump.anomaly.manager import AnomalyAnalyzer, AnomalyManager
from bspump.anomaly.storage import AnomalyStorage
from bspump.common import InternalSource
from bspump.state import MemoryStateStore
from bspump.testing import Harness, MemorySink, eventually, virtual_time


def add_storage_pipeline(harness):
    pipeline = bspump.Pipeline(harness.app, "AnomalyStoragePipeline")
    pipeline.build(
        InternalSource(harness.app, pipeline), MemorySink(harness.app, pipeline, id="Stored")
    )
    harness.pipeline(pipeline)


def add_pipeline(harness, storage, **arguments):
    return harness.chain(
        AnomalyAnalyzer, partial(AnomalyManager, anomaly_storage=storage, **arguments)
    )


def event(harness, user, **fields):
    return {"@timestamp": harness.app.time(), "user_id": user, **fields}


def test_an_anomaly_ends_once_and_knows_how_long_it_was():
    anomaly = Anomaly({"@timestamp": 100, "status": "open"})
    assert not anomaly.is_closed()
    anomaly.close(130)
    assert anomaly.is_closed()
    assert anomaly == {"@timestamp": 100, "status": "closed", "ts_end": 130, "D": 30}


def test_an_anomaly_keeps_its_last_symptoms_and_counts_all():
    anomaly = Anomaly()
    for i in range(Anomaly.MaxSymptoms + 5):
        anomaly.add_symptom({"i": i})
    assert len(anomaly["symptoms"]) == Anomaly.MaxSymptoms
    assert anomaly["symptoms"][0] == {"i": 5}
    assert anomaly["symptom_count"] == Anomaly.MaxSymptoms + 5


@pytest.mark.parametrize(
    ("rules", "kind", "symptom", "is_closed"),
    [
        ("default:status", "login", {"status": "closed"}, True),
        ("default:status", "login", {"status": "open"}, False),
        ("default:status", "login", {}, False),
        ("default:status; login:5m", "login", {"@timestamp": 699}, True),
        ("default:status; login:5m", "login", {"@timestamp": 701}, False),
        ("login:5", "other", {"status": "closed"}, True),
        ("default:60", "other", {"@timestamp": 900}, True),
    ],
)
async def test_a_general_anomaly_ends_by_the_rule_of_its_type(rules, kind, symptom, is_closed):
    harness = Harness(["--set", f"[GeneralAnomaly] close_rules={rules}"])
    anomaly = GeneralAnomaly({"@timestamp": 0, "type": kind})
    anomaly.Options = GeneralAnomaly.read_options(harness.app)
    await anomaly.on_tick(1000)
    assert not anomaly.is_closed()
    anomaly.add_symptom(symptom)
    await anomaly.on_tick(1000)
    assert anomaly.is_closed() is is_closed


@pytest.mark.parametrize("rules", ["status", "default:soon", ":5"])
async def test_a_rule_that_is_none_is_refused(rules):
    harness = Harness(["--set", f"[GeneralAnomaly] close_rules={rules}"])
    with pytest.raises(ConfigError, match="close_rules: expected"):
        AnomalyStorage(harness.app)


@virtual_time
async def test_events_become_symptoms_by_the_fields_of_their_type():
    async with Harness() as harness:
        config = {"key_dimensions": "default:user_id; scan:host,port"}
        pipeline = harness.chain(partial(AnomalyAnalyzer, config=config))
        scan = {"@timestamp": 5, "type": "scan", "host": "a", "port": 22}
        login = {"@timestamp": 6, "type": "login", "user_id": 7}
        harness.send([scan, login, {"user_id": 1}, {"@timestamp": "5", "user_id": 1}])
        harness.send([{"@timestamp": 5}, {**scan, "port": None}])
        await harness.settle()
        assert harness.out() == [
            {
                "@timestamp": 5,
                "key": ["a", 22],
                "key_dimensions": ["host", "port"],
                "type": "scan",
                "symptom": scan,
            },
            {
                "@timestamp": 6,
                "key": [7],
                "key_dimensions": ["user_id"],
                "type": "login",
                "symptom": login,
            },
        ]
        counter = pipeline.locate_processor("AnomalyAnalyzer").Counter
        assert counter.values == {"timestamp.miss": 2, "key.dimensions.miss": 2}


@pytest.mark.parametrize("dimensions", ["user_id", "default:", "default:a;b"])
async def test_dimensions_that_are_none_are_refused(dimensions):
    with pytest.raises(ConfigError, match="key_dimensions"):
        Harness().chain(partial(AnomalyAnalyzer, config={"key_dimensions": dimensions}))


class Login(Anomaly):
    TYPE = "login"

    async def on_tick(self, now):
        if now - self["@timestamp"] > 600:
            self.close(now)


@virtual_time
async def test_symptoms_are_added_to_the_open_anomaly_of_their_key():
    harness = Harness()
    storage = AnomalyStorage(harness.app, anomaly_classes=[Login])
    pipeline = add_pipeline(harness, storage)
    async with harness:
        harness.send([event(harness, user, type="login", n=n) for n, user in enumerate("abaab")])
        harness.send([event(harness, "a", type="unknown"), event(harness, "a")])
        await harness.settle()
        found = {a["key"][0]: [s["n"] for s in a["symptoms"]] for a in storage.Anomalies.values()}
        assert found == {"a": [0, 2, 3], "b": [1, 4]}
        assert all(isinstance(anomaly, Login) for anomaly in storage.Anomalies.values())
        counter = pipeline.locate_processor("AnomalyManager").Counter
        assert counter.values["type.miss"] == 2


@virtual_time
async def test_what_is_no_symptom_is_counted():
    harness = Harness()
    storage = AnomalyStorage(harness.app)
    pipeline = harness.chain(partial(AnomalyManager, anomaly_storage=storage))
    symptom = {"@timestamp": 1, "key": ["a"], "type": "x", "symptom": {}}
    async with harness:
        harness.send([{k: v for k, v in symptom.items() if k != name} for name in symptom])
        harness.send([symptom])
        await harness.settle()
        assert pipeline.locate_processor("AnomalyManager").Counter.values == {
            "timestamp.miss": 1,
            "key.miss": 1,
            "type.miss": 1,
            "symptom.miss": 1,
        }
        assert len(storage.Anomalies) == 1


@virtual_time
async def test_anomalies_are_written_at_each_tick_and_forgotten_when_they_are_over():
    harness = Harness()
    storage = AnomalyStorage(harness.app, None, [Login])
    add_pipeline(harness, storage)
    add_storage_pipeline(harness)
    async with harness:
        harness.send([event(harness, "a", type="login")])
        statuses = []
        for _ in range(6):
            await harness.advance(300.5)
            statuses.append([a["status"] for a in harness.out("Stored")])
        assert statuses[-1] == ["open", "open", "closed", "closed"]
        assert statuses[0] == ["open"]
        assert storage.Anomalies == {}
        sink = harness.app.PumpService.locate("AnomalyStoragePipeline.Stored")
        assert len({context["ancestor"]["es_id"] for context in sink.Contexts}) == 1
        assert storage.Counter.values == {
            "anomalies.closed.flushed": 2,
            "anomalies.open.flushed": 2,
        }
        harness.send([event(harness, "a", type="login")])
        await harness.advance(310)
        assert len({context["ancestor"]["es_id"] for context in sink.Contexts}) == 2


@virtual_time
async def test_what_nobody_takes_is_kept_and_the_pipeline_goes_on():
    harness = Harness()
    pipeline = bspump.Pipeline(harness.app, "Test")
    storage = AnomalyStorage(harness.app, pipeline=pipeline, anomaly_classes=[Login])
    pipeline = add_pipeline(harness, storage)
    async with harness:
        harness.send([event(harness, "a", type="login")])
        await harness.advance(301)
        assert len(storage.Anomalies) == 1
        assert pipeline.is_ready()
        assert any("no pipeline takes" in record.getMessage() for record in harness.logs)


@virtual_time
async def test_open_anomalies_outlive_the_process():
    store = MemoryStateStore()
    for life in (1, 2, 3):
        harness = Harness(store=store)
        storage = AnomalyStorage(harness.app)
        add_pipeline(harness, storage)
        async with harness:
            harness.send([{"@timestamp": 1, "user_id": "a", "n": n} for n in range(life)])
            await harness.settle()
            await harness.pipelines[0].checkpoint()
            (anomaly,) = storage.Anomalies.values()
            assert isinstance(anomaly, GeneralAnomaly)
            assert [symptom["n"] for symptom in anomaly["symptoms"]] == list(range(life))
            assert anomaly.Options == {"default": None}


@asynccontextmanager
async def search_server(port, answers):
    """Answers `_search` by one of `answers` after the other, the last one again and again."""
    asked = []

    async def search(request):
        asked.append((request.path, await request.json()))
        answer = answers[min(len(asked), len(answers)) - 1]
        return web.json_response(answer) if isinstance(answer, dict) else web.Response(status=503)

    application = web.Application()
    application.router.add_post("/{index}/_search", search)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield asked, f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


class Connection(bspump.Connection):
    """As much of an ElasticSearch connection as is used."""

    def __init__(self, app, url):
        super().__init__(app, "ES")
        self.Url = url

    def get_url(self):
        return self.Url

    def get_session(self):
        return aiohttp.ClientSession()


HIT = {
    "_id": "x1",
    "_source": {"@timestamp": 5, "type": "login", "key": ["a"], "status": "open", "symptoms": []},
}


async def test_open_anomalies_are_loaded_before_events_come(monkeypatch):
    monkeypatch.setattr("bspump.anomaly.storage._RETRY_S", 0.05)
    async with search_server(0, [503, {"hits": {"hits": [HIT]}}]) as (asked, url):
        harness = Harness()
        harness.app.PumpService.add_connection(Connection(harness.app, url))
        pipeline = bspump.Pipeline(harness.app, "Test")
        storage = AnomalyStorage(harness.app, "ES", [Login], pipeline=pipeline)
        pipeline.build(
            [
                bspump.common.IteratorSource(
                    harness.app, pipeline, [event(harness, "a", type="login")]
                )
            ],
            AnomalyAnalyzer(harness.app, pipeline),
            AnomalyManager(harness.app, pipeline, storage),
        )
        harness.pipeline(pipeline)
        async with harness:
            await eventually(lambda: "x1" in storage.Anomalies)
            await eventually(lambda: storage.Anomalies["x1"]["symptoms"])
            assert list(storage.Anomalies) == ["x1"]
    assert len(asked) == 2
    assert asked[0][0] == "/bs_anomaly*/_search"
