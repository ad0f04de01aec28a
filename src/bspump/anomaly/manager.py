"""From events to symptoms, and from symptoms to anomalies."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Options
from bspump.abc.processor import Generator
from bspump.abc.sink import Sink

if TYPE_CHECKING:
    from bspump.abc.anomaly import Anomaly
    from bspump.abc.component import Stateful
    from bspump.abc.host import Application, Context, Event, Pipeline

    from .storage import AnomalyStorage

_DEFAULT = "default"


class AnomalyAnalyzerOptions(Options, frozen=True, kw_only=True):
    """By which fields events belong together."""

    key_dimensions: Annotated[
        str, Meta(description="`type:field,field;type:field`; `default` is all other types.")
    ] = "default:user_id"


class AnomalyAnalyzer(Generator):
    """Make of events symptoms for the `AnomalyManager`.

    A symptom is a dict with `@timestamp`, `type` (that of the event, or `default`),
    `key_dimensions` (names of fields, as `key_dimensions` says for the type), `key` (their
    values) and `symptom` (the event). Events without a number at `@timestamp` or without one of
    the fields are dropped, and counted: `timestamp.miss`, `key.dimensions.miss`.

    Raises:
        ConfigError: `key_dimensions` is not of that form.
    """

    OptionsClass = AnomalyAnalyzerOptions
    Options: AnomalyAnalyzerOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.KeyDimensions = self._parsed(self.Options.key_dimensions)
        self.Counter = app.get_service("asab.MetricsService").create_counter(
            "anomaly.analyzer",
            {"pipeline": pipeline.Id, "processor": self.Id},
            {"timestamp.miss": 0, "key.dimensions.miss": 0},
            description="Events that are no symptoms",
        )

    def _parsed(self, text: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each in text.split(";"):
            kind, _, names = each.partition(":")
            fields = [name.strip() for name in names.split(",") if name.strip()]
            if not kind.strip() or not fields:
                raise ConfigError(
                    f"{self.locate_address()}: key_dimensions: expected 'type:field,field;…', "
                    f"got {text!r}"
                )
            found[kind.strip()] = fields
        return found

    def generate(self, context: Context, event: Event, depth: int) -> list[dict[str, Any]]:
        if not _is_time(event.get("@timestamp")):
            self.Counter.add("timestamp.miss", 1)
            return []
        kind = event.get("type", _DEFAULT)
        fields = self.KeyDimensions.get(kind) or self.KeyDimensions.get(_DEFAULT) or ()
        if not fields or any(event.get(field) is None for field in fields):
            self.Counter.add("key.dimensions.miss", 1)
            return []
        symptom = {
            "@timestamp": event["@timestamp"],
            "key": [event[field] for field in fields],
            "key_dimensions": list(fields),
            "type": kind,
            "symptom": event,
        }
        return [symptom]


class AnomalyManager(Sink):
    """Add symptoms to open anomalies of their type and key; open one where there is none.

    What is no symptom as `AnomalyAnalyzer` makes them is dropped and counted:
    `timestamp.miss`, `key.miss`, `type.miss` (no class of anomalies is of this type),
    `symptom.miss`.

    Args:
        anomaly_storage: where anomalies are.
        anomaly_classes: of those that are opened here; default is those of the storage.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        anomaly_storage: AnomalyStorage,
        anomaly_classes: Iterable[type[Anomaly]] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.AnomalyStorage = anomaly_storage
        if anomaly_classes is not None:
            anomaly_storage.add_classes(anomaly_classes)
        names = ("timestamp.miss", "key.miss", "type.miss", "symptom.miss")
        self.Counter = app.get_service("asab.MetricsService").create_counter(
            "anomaly.manager",
            {"pipeline": pipeline.Id, "processor": self.Id},
            dict.fromkeys(names, 0),
            description="Symptoms that are none",
        )
        pipeline.PubSub.subscribe("bspump.pipeline.start!", self._on_start)

    def _on_start(self, message: str, pipeline: Pipeline) -> None:
        self.AnomalyStorage.start()

    def shares(self) -> Collection[Stateful]:
        return (self.AnomalyStorage,)

    def process(self, context: Context, event: Event) -> None:
        missing = self._missing(event)
        if missing is not None:
            self.Counter.add(f"{missing}.miss", 1)
            return
        anomaly = self.AnomalyStorage.find_or_open(event)
        anomaly.add_symptom(event["symptom"])

    def _missing(self, event: Mapping[str, Any]) -> str | None:
        if not _is_time(event.get("@timestamp")):
            return "timestamp"
        if not event.get("key"):
            return "key"
        if self.AnomalyStorage.class_of(event.get("type")) is None:
            return "type"
        return None if event.get("symptom") is not None else "symptom"


def _is_time(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
