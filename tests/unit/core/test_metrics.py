"""The service that keeps all metrics: names, series, flushes, and what it shows."""

from __future__ import annotations

import json

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import bspump
from bspump.core.metric_kinds import DEFAULT_BUCKETS
from bspump.core.metrics import MetricsService


@pytest.fixture
async def app() -> bspump.BSPumpApplication:
    return bspump.BSPumpApplication(args=[])


@pytest.fixture
async def service(app) -> MetricsService:
    found = app.get_service("asab.MetricsService")
    assert isinstance(found, MetricsService)
    return found


KINDS = ["counter", "eps_counter", "gauge", "duty_cycle", "histogram"]


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_is_created_with_name_tags_values_and_description(service, kind):
    create = getattr(service, f"create_{kind}")
    metric = create("x", tags={"a": "1"}, init_values={"n": 0}, description="What it is.")
    assert (metric.name, metric.tags, list(metric.values)) == ("x", {"a": "1"}, ["n"])
    assert metric.description == "What it is."
    assert metric.kind.lower() == kind.replace("_", "")
    assert metric in service.Metrics


async def test_counters_reset_by_default_and_gauges_do_not(service):
    assert [getattr(service, f"create_{kind}")(kind).reset for kind in KINDS] == [
        True,
        True,
        False,
        True,
        False,
    ]
    assert service.create_histogram("h").buckets == DEFAULT_BUCKETS
    assert service.create_histogram("h", buckets=(1.0,)).buckets == (1.0,)


async def test_metrics_of_the_same_name_and_tags_are_told_apart_by_a_series(service):
    made = [service.create_counter("x", {"a": "1"}) for _ in range(3)]
    other = service.create_gauge("x", {"a": "2"})
    assert [metric.tags for metric in made] == [
        {"a": "1"},
        {"a": "1", "series": "2"},
        {"a": "1", "series": "3"},
    ]
    assert other.tags == {"a": "2"}
    service.remove(made[1])
    assert service.create_gauge("x", {"a": "1"}).tags == {"a": "1", "series": "2"}


async def test_neither_of_two_series_hides_the_other(service):
    for n in (1, 2):
        service.create_counter("mine", init_values={"n": n})
    values = [
        sample.value
        for family in text_string_to_metric_families(service.openmetrics())
        for sample in family.samples
        if sample.name == "mine_n_total"
    ]
    assert values == [1, 2]


async def test_removing_what_is_not_there_is_fine(service):
    metric = service.create_counter("x")
    service.remove(metric)
    service.remove(metric)
    assert metric not in service.Metrics


class Listener:
    def __init__(self, counter) -> None:
        self.counter = counter
        self.seen = 0

    def on_flush(self, _message) -> None:
        self.seen += 1
        self.counter.add("n", 10)


async def test_a_flush_collects_then_tells_then_ends_the_interval(service, app):
    counter = service.create_counter("x", init_values={"n": 0})
    listener = Listener(counter)
    app.PubSub.subscribe("Metrics.flush!", listener.on_flush)
    collector = lambda: counter.add("n", 1)  # noqa: E731 - it has to be removed again
    service.add_collector(collector)
    service.flush()
    assert (counter.interval, listener.seen) == ({"n": 11}, 1)
    service.remove_collector(collector)
    service.remove_collector(collector)
    service.flush()
    assert counter.interval == {"n": 10}


async def test_metrics_are_flushed_each_minute(service, app):
    counter = service.create_counter("x", init_values={"n": 5})
    app.PubSub.publish("Application.tick/60!")
    assert counter.interval == {"n": 5}


async def test_metrics_are_flushed_at_the_end(service, app):
    counter = service.create_counter("x")
    async with app.running():
        counter.add("n", 5)
    assert counter.interval == {"n": 5}


async def test_what_is_read_is_up_to_date(service):
    gauge = service.create_gauge("x")
    service.add_collector(lambda: gauge.set("n", 7))
    assert "x_n 7.0" in service.openmetrics()
    gauge.set("n", 0)
    (found,) = [m for m in service.rest_get()["metrics"] if m["name"] == "x"]
    assert found["values"] == {"n": 7}


async def test_all_that_the_page_shows_is_json(service):
    for kind in KINDS:
        getattr(service, f"create_{kind}")("x", init_values={"n": None if "y" in kind else 0})
    assert json.loads(json.dumps(service.rest_get()))["tags"]["appclass"] == "BSPumpApplication"


async def test_the_instance_is_named_by_the_environment(monkeypatch):
    monkeypatch.setenv("NODE_ID", "n1")
    monkeypatch.setenv("SITE_ID", "s1")
    monkeypatch.delenv("SERVICE_ID", raising=False)
    tags = bspump.BSPumpApplication(args=[]).MetricsService.Tags
    assert (tags["node_id"], tags["site_id"]) == ("n1", "s1")
    assert "service_id" not in tags
    assert tags["host"]
