"""Where open anomalies are, and from where they are written."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.anomaly import Anomaly
from bspump.abc.options import Configurable, Duration, Options
from bspump.matrix.kept import Kept
from bspump.matrix.timer import Timer

from .anomaly import GeneralAnomaly

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline
    from bspump.abc.state import PartState, Snapshot

log = logging.getLogger(__name__)

_TICK_S = 300.0
_RETRY_S = 10.0
_LOADED_DAYS = 14
_LOADED_AT_MOST = 10_000


class AnomalyStorageOptions(Options, frozen=True, kw_only=True):
    """How long anomalies are kept, and where open ones are found at the start."""

    closed_anomaly_longevity: Annotated[
        Duration, Meta(description="A closed anomaly is kept so long at least.")
    ] = 5.0
    index: Annotated[str, Meta(description="The indices in which open anomalies are searched.")] = (
        "bs_anomaly*"
    )


class AnomalyStorage(Configurable):
    """Keeps open anomalies, and writes all anomalies to a pipeline every five minutes.

    At each tick every open anomaly gets its `on_tick`; then all of them go to the pipeline,
    each with its id, so that a sink can overwrite what it had: it is `es_id` of the context that
    goes in, and so `context["ancestor"]["es_id"]` behind an `InternalSource`. A closed one is
    written once more at the next tick, and then forgotten. Where there is no such pipeline, that
    is logged and they are kept.

    State: all anomalies; kept with the checkpoints of pipelines with an `AnomalyManager` of it.

    Args:
        es_connection: an ElasticSearch connection or its Id. Anomalies of the last 14 days that
            are open in `index` are loaded from there at the start; the pipeline waits for that.
            `None`: there are none, or they come from the checkpoint.
        anomaly_classes: of anomalies by their `TYPE`; default is `GeneralAnomaly`.
        anomaly_storage_pipeline_source: address of the `InternalSource` to which they go.
        pipeline: waits while anomalies are loaded and written.
    """

    OptionsClass = AnomalyStorageOptions
    Options: AnomalyStorageOptions

    def __init__(
        self,
        app: Application,
        es_connection: Any = None,
        anomaly_classes: Iterable[type[Anomaly]] | None = None,
        anomaly_storage_pipeline_source: str = "AnomalyStoragePipeline.*InternalSource",
        pipeline: Pipeline | None = None,
        id: str = "AnomalyStorage",
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.Id = id
        self.App = app
        self._configure(app.Config, id, config)
        self.Pipeline = pipeline
        self.PipelineSource = anomaly_storage_pipeline_source
        self.Connection: Any = es_connection
        if isinstance(es_connection, str):
            self.Connection = app.PumpService.locate_connection(es_connection)
        self.Anomalies: dict[str, Anomaly] = {}
        self.AnomalyClasses: dict[str, type[Anomaly]] = {}
        self._options: dict[type[Anomaly], Any] = {}
        self._open: dict[str, Anomaly] = {}
        self._written_once: set[str] = set()
        self._kept = Kept()
        self._is_loaded = self.Connection is None
        self.add_classes((GeneralAnomaly,) if anomaly_classes is None else anomaly_classes)
        self.Counter = app.get_service("asab.MetricsService").create_counter(
            "anomaly.storage",
            {"storage": id},
            {"anomalies.closed.flushed": 0, "anomalies.open.flushed": 0},
            description="Anomalies that were written",
        )
        self.Timer = Timer(app, self.tick, name=f"{id}: tick")
        app.PubSub.subscribe("Application.init!", self._on_init)

    def add_classes(self, anomaly_classes: Iterable[type[Anomaly]]) -> None:
        """Let anomalies be of these classes as well, each by its `TYPE`."""
        for each in anomaly_classes:
            self.AnomalyClasses[each.TYPE] = each
            self._options[each] = each.read_options(self.App)

    def class_of(self, kind: Any) -> type[Anomaly] | None:
        """Return the class of anomalies of that type, `None` where there is none."""
        if not isinstance(kind, str):
            return None
        return self.AnomalyClasses.get(kind, self.AnomalyClasses.get("default"))

    def find_or_open(self, symptom: Mapping[str, Any]) -> Anomaly:
        """Return the open anomaly of the type and the key of a symptom, a new one if need be."""
        kind, key = symptom["type"], symptom["key"]
        place = _text(kind, key)
        found = self._open.get(place)
        if found is not None and not found.is_closed():
            return found
        facts = {
            "@timestamp": symptom["@timestamp"],
            "type": kind,
            "key": key,
            "key_dimensions": symptom.get("key_dimensions", []),
            "status": "open",
        }
        anomaly_id = _id_of(kind, key, symptom["@timestamp"])
        while anomaly_id in self.Anomalies:  # Another one began and ended at that moment.
            anomaly_id = _id_of(kind, key, anomaly_id)
        return self._put(anomaly_id, facts)

    def _put(self, anomaly_id: str, facts: Mapping[str, Any]) -> Anomaly:
        anomaly_class = self.class_of(facts.get("type")) or GeneralAnomaly
        anomaly = anomaly_class(facts)
        anomaly.Options = self._options.get(anomaly_class)
        self.Anomalies[anomaly_id] = anomaly
        if not anomaly.is_closed():
            self._open[_text(facts.get("type"), facts.get("key"))] = anomaly
        return anomaly

    def start(self) -> None:
        """Begin to load and to tick; the application calls it, may come repeatedly."""
        if self.Timer.is_started():
            return
        self.Timer.start(_TICK_S)
        if not self._is_loaded:
            self._hold(True)
            self.App.spawn(self._load_at_last(), name=f"{self.Id}: load")

    def _on_init(self, message: str) -> None:
        self.start()

    async def tick(self) -> None:
        """Close what is over, and write everything; the application calls it by the clock."""
        if not self._is_loaded:
            return
        now = self.App.time()
        for anomaly in list(self.Anomalies.values()):
            if not anomaly.is_closed():
                await anomaly.on_tick(now)
        await self.flush()

    async def flush(self) -> None:
        """Write all anomalies to the pipeline; forget those that were closed long enough ago."""
        source = self.App.PumpService.locate(self.PipelineSource)
        if source is None:
            fields = {"storage": self.Id, "source": self.PipelineSource}
            log.error("no pipeline takes anomalies, they are kept", extra={"fields": fields})
            return
        self._hold(True)
        try:
            for anomaly_id, anomaly in list(self.Anomalies.items()):
                await source.put_async({"es_id": anomaly_id}, copy.deepcopy(dict(anomaly)))
                self._written(anomaly_id, anomaly)
        finally:
            self._hold(False)

    def _written(self, anomaly_id: str, anomaly: Anomaly) -> None:
        if not anomaly.is_closed():
            self.Counter.add("anomalies.open.flushed", 1)
            return
        self.Counter.add("anomalies.closed.flushed", 1)
        place = _text(anomaly.get("type"), anomaly.get("key"))
        if self._open.get(place) is anomaly:
            del self._open[place]
        if anomaly_id not in self._written_once:
            # It waits in a queue that a crash would empty: it is written once more.
            self._written_once.add(anomaly_id)
        elif self.App.time() - anomaly["ts_end"] >= self.Options.closed_anomaly_longevity:
            self._written_once.discard(anomaly_id)
            del self.Anomalies[anomaly_id]

    def _hold(self, enable: bool) -> None:
        if self.Pipeline is not None:
            self.Pipeline.throttle(self, enable)

    async def _load_at_last(self) -> None:
        while not await self._load():
            await self.App.Clock.sleep(_RETRY_S)
        self._hold(False)

    async def _load(self) -> bool:
        """Find open anomalies of the last days; False if that is not possible now."""
        begin = self.App.time() - _LOADED_DAYS * 86400
        query = {
            "size": _LOADED_AT_MOST,
            "query": {
                "bool": {
                    "filter": [{"range": {"@timestamp": {"gte": begin}}}],
                    "must_not": [{"term": {"status": "closed"}}],
                }
            },
        }
        url = f"{self.Connection.get_url().rstrip('/')}/{self.Options.index}/_search"
        try:
            async with (
                self.Connection.get_session() as session,
                session.post(url, json=query) as response,
            ):
                response.raise_for_status()
                hits = (await response.json())["hits"]["hits"]
        except Exception as error:  # noqa: BLE001 - whatever the client raises: it may do later
            fields = {"storage": self.Id, "error": str(error)}
            log.warning("anomalies cannot be loaded, trying again", extra={"fields": fields})
            return False
        for hit in hits:
            if hit["_id"] not in self.Anomalies:
                self._put(hit["_id"], hit["_source"])
        self._is_loaded = True
        return True

    def locate_address(self) -> str:
        """Return the name under which its state is stored."""
        return f"anomalies:{self.Id}"

    def is_stateful(self) -> bool:
        """Tell whether it has something to outlive this process."""
        return True

    def snapshot(self) -> Snapshot | None:
        """Return what has changed; see `Component.snapshot`."""
        all_now = self.Anomalies.items()
        return self._kept.changes(None, ((key, copy.deepcopy(dict(a))) for key, a in all_now))

    def restore(self, state: PartState) -> None:
        """Be as it was; see `Component.restore`."""
        self.Anomalies.clear()
        self._open.clear()
        for anomaly_id, facts in state.keyed.items():
            self._put(anomaly_id, copy.deepcopy(facts))
        self._kept.follow(None, state.keyed)


def _text(*parts: Any) -> str:
    """Return what tells one combination of plain values from all others."""
    return json.dumps(parts, default=str)


def _id_of(*parts: Any) -> str:
    """Return an id that is the same after a restart."""
    return hashlib.sha256(_text(*parts).encode()).hexdigest()[:32]
