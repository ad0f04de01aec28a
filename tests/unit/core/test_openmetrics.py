"""What is shown to Prometheus: its own parser reads it, whatever the metrics are called."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bspump.core.metric_kinds import Counter, DutyCycle, EPSCounter, Gauge, Histogram, Metric
from bspump.core.openmetrics import CONTENT_TYPE, render
from bspump.testing.manual_clock import ManualClock


def make(cls: type[Metric], name: str, values: dict[str, Any], **tags: str) -> Any:
    return cls(name, tags, values, reset=True, clock=ManualClock(), description="a\nline")


def families(*metrics: Metric) -> dict[str, Any]:
    text = render(metrics)
    assert text.endswith("# EOF\n")
    return {
        family.name: family
        for family in text_string_to_metric_families(text)
        if not family.name.startswith("process_")
    }


def samples(*metrics: Metric) -> dict[tuple[str, ...], float]:
    """Return values by the name of the sample and, after it, the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families(*metrics).values()
        for sample in family.samples
    }


def test_a_counter_is_a_counter_with_its_tags_as_labels():
    counter = make(Counter, "bspump.pipeline", {"event.in": 0, "event.out": 0}, pipeline='A "\n\\')
    counter.add("event.in", 3)
    found = families(counter)
    assert found["bspump_pipeline_event_in"].type == "counter"
    assert found["bspump_pipeline_event_in"].documentation == "a\nline"
    assert samples(counter) == {
        ("bspump_pipeline_event_in_total", 'A "\n\\'): 3,
        ("bspump_pipeline_event_out_total", 'A "\n\\'): 0,
    }


def test_a_counter_that_went_down_is_a_gauge():
    counter = make(Counter, "open", {"files": 2})
    counter.sub("files", 3)
    assert families(counter)["open_files"].type == "gauge"
    assert samples(counter) == {("open_files",): -1}


async def test_counters_go_on_when_an_interval_ends():
    counter = make(Counter, "x", {"n": 0})
    counter.add("n", 3)
    counter.flush(60.0)
    assert samples(counter) == {("x_n_total",): 3}


def test_rates_shares_and_gauges_are_gauges():
    rate = make(EPSCounter, "bspump.pipeline.eps", {"eps.in": 0}, pipeline="A")
    cycle = make(DutyCycle, "dutycycle", {"ready": True, "unknown": None})
    gauge = make(Gauge, "queue", {"size": 5, "text": "no number", "on": True})
    assert {family.type for family in families(rate, cycle, gauge).values()} == {"gauge"}
    assert samples(rate, cycle, gauge) == {
        ("bspump_pipeline_eps_in", "A"): 0,
        ("dutycycle_ready",): 1,
        ("queue_size",): 5,
        ("queue_on",): 1,
    }


def test_a_histogram_has_cumulative_buckets():
    histogram = Histogram(
        "lag", {}, {"s": None}, reset=False, clock=ManualClock(), buckets=(0.1, 1.0)
    )
    for value in (0.05, 0.5, 0.5, 9.0):
        histogram.set("s", value)
    assert families(histogram)["lag_s"].type == "histogram"
    assert samples(histogram) == {
        ("lag_s_bucket", "0.1"): 1,
        ("lag_s_bucket", "1.0"): 3,
        ("lag_s_bucket", "+Inf"): 4,
        ("lag_s_count",): 4,
        ("lag_s_sum",): pytest.approx(10.05),
    }


def test_metrics_of_one_name_are_one_family():
    one, two = (make(Counter, "x", {"n": 0}, pipeline=name) for name in "AB")
    assert len(families(one, two)) == 1
    assert set(samples(one, two)) == {("x_n_total", "A"), ("x_n_total", "B")}


def test_names_that_become_the_same_are_added_up():
    one, two = make(Counter, "a.b", {"n": 1}), make(Counter, "a_b", {"n": 2})
    assert samples(one, two) == {("a_b_n_total",): 3}


@pytest.mark.parametrize(
    ("metrics", "names"),
    [
        ([(Counter, "x", "n"), (Gauge, "x", "n")], {"x_n", "x_n_gauge"}),
        ([(Gauge, "x", "n.total"), (Counter, "x", "n")], {"x_n_total", "x_n_counter"}),
        ([(Counter, "x", "n"), (Gauge, "x", "n.total")], {"x_n", "x_n_total_gauge"}),
        ([(Histogram, "x", "n"), (Gauge, "x", "n.sum")], {"x_n", "x_n_sum_gauge"}),
        ([(Gauge, "x", "n.count"), (Histogram, "x", "n")], {"x_n_count", "x_n_histogram"}),
    ],
)
def test_names_that_would_clash_are_told_apart_by_their_kind(metrics, names):
    made = [make(cls, name, {value: 1}) for cls, name, value in metrics]
    assert set(families(*made)) == names


def test_metrics_of_the_process_are_there():
    assert "process_cpu_seconds_total" in render([])


def test_the_content_type_is_that_of_the_format():
    assert CONTENT_TYPE.startswith("application/openmetrics-text")


NAMES = st.one_of(
    st.text(),
    st.sampled_from(
        ["x", "x.total", "x_created", "x.sum", "x.count", "x.bucket", "total", "0", ""]
    ),
)
NUMBERS = st.one_of(st.integers(), st.floats(), st.booleans())
KINDS = st.sampled_from([Counter, EPSCounter, Gauge, DutyCycle, Histogram])


@given(
    st.lists(
        st.tuples(
            KINDS,
            NAMES,
            st.dictionaries(NAMES, NUMBERS, max_size=4),
            st.dictionaries(st.text(), st.text(), max_size=3),
        ),
        max_size=5,
    )
)
def test_the_parser_of_prometheus_reads_whatever_metrics_there_are(made):
    clock = ManualClock()
    metrics = []
    for cls, name, values, tags in made:
        initial = (
            {key: bool(value) for key, value in values.items()} if cls is DutyCycle else values
        )
        metric: Any = cls(name, tags, initial, reset=True, clock=clock)
        if isinstance(metric, Histogram):
            for key, value in values.items():
                if math.isfinite(value):
                    metric.set(key, abs(value))
        metrics.append(metric)
    families(*metrics)
