"""The service that keeps all metrics, flushes them each minute and shows them."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from .metric_kinds import (
    DEFAULT_BUCKETS,
    Counter,
    DutyCycle,
    EPSCounter,
    Gauge,
    Histogram,
    Metric,
)
from .openmetrics import render
from .service import Service

if TYPE_CHECKING:
    from .application import BSPumpApplication

__all__ = ["Counter", "DutyCycle", "EPSCounter", "Gauge", "Histogram", "Metric", "MetricsService"]

M = TypeVar("M", bound=Metric)

_INSTANCE_TAGS = ("NODE_ID", "SERVICE_ID", "INSTANCE_ID", "SITE_ID")


class MetricsService(Service):
    """Creates metrics and knows them all. Its name is `asab.MetricsService`.

    Every call of a `create_…` method makes a metric of its own. The second one of the same name
    and tags gets the tag `series="2"`, the third `series="3"`: neither hides the other, nor do
    they mix. Whoever creates a metric removes it when it is gone.

    Each minute, and at the end, collectors are called, `Metrics.flush!` is published, and then
    all metrics end their interval.
    """

    def __init__(self, app: BSPumpApplication, service_name: str = "asab.MetricsService") -> None:
        super().__init__(app, service_name)
        self.Metrics: list[Metric] = []
        self.Tags = {"host": platform.node(), "appclass": type(app).__name__}
        self.Tags |= {
            name.lower(): os.environ[name] for name in _INSTANCE_TAGS if name in os.environ
        }
        self._collectors: list[Callable[[], None]] = []
        app.PubSub.subscribe("Application.tick/60!", self._on_minute)

    async def finalize(self, app: BSPumpApplication) -> None:
        self.flush()

    def create_counter(
        self,
        name: str,
        tags: Mapping[str, str] | None = None,
        init_values: Mapping[str, float] | None = None,
        reset: bool = True,
        description: str = "",
    ) -> Counter:
        """Return a new counter of things that happened."""
        return self._create(Counter, name, tags, init_values, reset, description)

    def create_eps_counter(
        self,
        name: str,
        tags: Mapping[str, str] | None = None,
        init_values: Mapping[str, float] | None = None,
        reset: bool = True,
        description: str = "",
    ) -> EPSCounter:
        """Return a new counter that shows what happened per second."""
        return self._create(EPSCounter, name, tags, init_values, reset, description)

    def create_gauge(
        self,
        name: str,
        tags: Mapping[str, str] | None = None,
        init_values: Mapping[str, float] | None = None,
        reset: bool = False,
        description: str = "",
    ) -> Gauge:
        """Return a new gauge; it keeps its values, whatever `reset` says."""
        return self._create(Gauge, name, tags, init_values, reset, description)

    def create_duty_cycle(
        self,
        name: str,
        tags: Mapping[str, str] | None = None,
        init_values: Mapping[str, bool | None] | None = None,
        reset: bool = True,
        description: str = "",
    ) -> DutyCycle:
        """Return a new measure of the share of time that something is on."""
        return self._create(DutyCycle, name, tags, init_values, reset, description)

    def create_histogram(
        self,
        name: str,
        tags: Mapping[str, str] | None = None,
        init_values: Mapping[str, Any] | None = None,
        reset: bool = False,
        description: str = "",
        *,
        buckets: Sequence[float] = DEFAULT_BUCKETS,
    ) -> Histogram:
        """Return a new histogram; of `init_values` only the names matter.

        Args:
            buckets: upper bounds, included.
        """
        return self._create(Histogram, name, tags, init_values, reset, description, buckets=buckets)

    def remove(self, metric: Metric) -> None:
        """Forget `metric`; one that is not known is fine."""
        if metric in self.Metrics:
            self.Metrics.remove(metric)

    def add_collector(self, collector: Callable[[], None]) -> None:
        """Call `collector()` before metrics are read or flushed, to bring them up to date."""
        self._collectors.append(collector)

    def remove_collector(self, collector: Callable[[], None]) -> None:
        """Stop calling `collector`; one that is not known is fine."""
        if collector in self._collectors:
            self._collectors.remove(collector)

    def collect(self) -> None:
        """Bring all metrics up to date."""
        for collector in tuple(self._collectors):
            collector()

    def flush(self) -> None:
        """End the interval of all metrics now, after publishing `Metrics.flush!`."""
        self.collect()
        self.App.PubSub.publish("Metrics.flush!")
        now = self.App.Clock.monotonic()
        for metric in self.Metrics:
            metric.flush(now)

    def openmetrics(self) -> str:
        """Return all metrics in the OpenMetrics text format."""
        self.collect()
        return render(self.Metrics)

    def rest_get(self) -> dict[str, Any]:
        """Return all metrics and the tags they share, ready for JSON."""
        self.collect()
        return {"tags": self.Tags, "metrics": [metric.rest_get() for metric in self.Metrics]}

    def _on_minute(self, _message: str) -> None:
        self.flush()

    def _create(
        self,
        cls: type[M],
        name: str,
        tags: Mapping[str, str] | None,
        init_values: Mapping[str, Any] | None,
        reset: bool,
        description: str,
        **more: Any,
    ) -> M:
        metric = cls(
            name,
            self._unique(name, dict(tags or {})),
            init_values or {},
            reset=reset,
            clock=self.App.Clock,
            description=description,
            **more,
        )
        self.Metrics.append(metric)
        return metric

    def _unique(self, name: str, tags: dict[str, str]) -> dict[str, str]:
        taken = [metric.tags for metric in self.Metrics if metric.name == name]
        unique, series = tags, 1
        while unique in taken:
            series += 1
            unique = {**tags, "series": str(series)}
        return unique
