"""Metrics as Prometheus reads them.

The counter `bspump.pipeline` with the value `event.in` becomes `bspump_pipeline_event_in_total`;
its tags become labels. A counter that was ever counted down is a gauge. A word that ends the name
of the metric and begins the name of the value is written once: `bspump.pipeline.eps` and `eps.in`
become `bspump_pipeline_eps_in`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from .metric_kinds import Counter, DutyCycle, EPSCounter, Histogram, Metric

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_Labels = tuple[tuple[str, str], ...]
_Sample = tuple[str, _Labels, float]

_SUFFIXES = {
    "counter": ("", "_total", "_created"),
    "gauge": ("",),
    "histogram": ("", "_bucket", "_count", "_sum", "_created"),
}
_NOT_ALLOWED = re.compile(r"[^a-zA-Z0-9_]")


def render(metrics: Iterable[Metric]) -> str:
    """Return `metrics`, and those of the process, in the OpenMetrics text format."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.openmetrics import exposition
    from prometheus_client.registry import Collector

    families = _families(metrics)

    class Ours(Collector):
        def collect(self) -> Iterable[Family]:
            return families

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Ours())
    ProcessCollector(registry=registry)
    untyped: Any = exposition
    return str(untyped.generate_latest(registry), "utf-8")


def _families(metrics: Iterable[Metric]) -> list[Family]:
    """Group samples by family: one family has one type, and each of its samples is unique."""
    from prometheus_client.metrics_core import Metric as Family

    families: dict[str, Family] = {}
    taken: dict[str, str] = {}
    samples: dict[str, dict[tuple[str, _Labels], float]] = {}
    for metric in metrics:
        labels = tuple((_label(key), _text(value)) for key, value in metric.tags.items())
        kind = _type(metric)
        for value_name in metric.values:
            name = _family_name(metric.name, value_name)
            while not _is_free(name, kind, families, taken):
                name = f"{name}_{kind}"
            if name not in families:
                taken |= dict.fromkeys(_sample_names(name, kind), name)
                families[name] = Family(name, _text(metric.description or metric.name), kind)
                samples[name] = {}
            for suffix, more, value in _samples(metric, value_name):
                key = (name + suffix, tuple(sorted((*labels, *more))))
                samples[name][key] = samples[name].get(key, 0) + value
    for name, family in families.items():
        for (sample, labels), value in samples[name].items():
            family.add_sample(sample, dict(labels), value)
    return list(families.values())


def _is_free(name: str, kind: str, families: dict[str, Family], taken: dict[str, str]) -> bool:
    """Tell whether samples of `kind` may go into the family `name`, an old or a new one.

    Readers refuse a counter `x`, whose sample is `x_total`, beside a gauge `x_total`.
    """
    if name in families:
        return bool(families[name].type == kind)
    return not any(sample in taken for sample in _sample_names(name, kind))


def _sample_names(family: str, kind: str) -> list[str]:
    return [f"{family}{suffix}" for suffix in _SUFFIXES[kind]]


def _samples(metric: Metric, name: str) -> Iterator[_Sample]:
    value = metric.values[name]
    if isinstance(metric, EPSCounter):
        yield "", (), metric.rates()[name]
    elif isinstance(metric, Counter):
        yield "_total" if metric.is_monotonic else "", (), value
    elif isinstance(metric, Histogram):
        bounds = [*(repr(float(bound)) for bound in metric.buckets), "+Inf"]
        cumulative = list(accumulate(value["counts"]))
        for bound, count in zip(bounds, cumulative, strict=True):
            yield "_bucket", (("le", bound),), count
        yield "_count", (), cumulative[-1]
        yield "_sum", (), value["sum"]
    elif isinstance(metric, DutyCycle):
        shares = metric.shares()
        if name in shares:
            yield "", (), shares[name]
    elif isinstance(value, int | float):
        yield "", (), value


def _type(metric: Metric) -> str:
    if isinstance(metric, Histogram):
        return "histogram"
    if isinstance(metric, Counter) and not isinstance(metric, EPSCounter):
        return "counter" if metric.is_monotonic else "gauge"
    return "gauge"


def _family_name(metric: str, value: str) -> str:
    last = _identifier(metric).rpartition("_")[2]
    value = _identifier(value)
    if value.startswith(f"{last}_"):
        value = value.removeprefix(f"{last}_")
    return f"{_identifier(metric)}_{value}"


def _identifier(name: str) -> str:
    name = _NOT_ALLOWED.sub("_", name)
    return f"_{name}" if name[:1].isdigit() else name


def _label(name: str) -> str:
    """Return `name` as that of a label; those that begin with two underscores are reserved."""
    return re.sub(r"^(__+|$)", "_", _identifier(name))


def _text(value: object) -> str:
    """Return `value` as text that can be sent: half of a pair of surrogates cannot."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
