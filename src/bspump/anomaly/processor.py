"""The processor that finds anomalies in a stream of events."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from bspump.abc.errors import ConfigError, ProcessingError
from bspump.abc.processor import Generator
from bspump.abc.state import PartState, Snapshot

from .detector import UNKNOWN, Detector, Observation, Score
from .incidents import Alert, Finding, Incidents, Rules
from .models import Model, Models
from .named import detector_factory
from .options import AnomalyOptions
from .reading import checked_observation, checked_time, read_field
from .threshold import Threshold

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_TIMES = ("since_ms", "last_ms", "duration_ms", "at_ms")
_SHOWN = 100


class AnomalyDetector(Generator):
    """Score events against what is usual for their key, and report incidents.

    Each key has a detector of its own. An observation whose score is beyond a threshold is an
    anomaly; anomalies that belong together are one incident, which is reported when it opens and
    when it closes. Alerts are dicts::

        {"incident": "Flights.AnomalyDetector:7", "state": "open", "reason": "",
         "group": "JFK", "keys": ["JFK"], "since_ms": …, "last_ms": …, "duration_ms": 0,
         "count": 1, "key": "JFK", "at_ms": …, "value": 93.0, "score": 5.2,
         "expected_low": -10.5, "expected_high": 31.0, "explanation": "93 is 5.2 …"}

    `state` is `open`, `ongoing` or `closed`; what follows `count` is about the strangest
    observation so far. Without a time of events what ends in `_ms` is missing. With `emit = events`
    or `all` events come out as copies, as dicts, with their score in `field`.

    Options say which fields matter; for more, override `key`, `group`, `value`, `at_ms` and
    `report`. An event without a number goes on unscored; it is counted, as all that happens is, in
    the metric `bspump.anomaly`.

    State: that of the detector for each key, the thresholds, the incidents. Cut anywhere and
    restored, the alerts are the same. At the end of bounded input open incidents are closed.

    Args:
        detector: makes a detector that has learned nothing; called for each new key. Without it,
            the options `detector` and `parameters` say which.

    Raises:
        ConfigError: the detector cannot work with these options.
    """

    OptionsClass = AnomalyOptions
    Options: AnomalyOptions

    Version: ClassVar[int] = 1

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        detector: Callable[[], Detector] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        options = self.Options
        self._make = detector or detector_factory(
            options.detector, options.parameters, used_by=self.locate_address()
        )
        self._fields = [name.strip() for name in options.value.split(",")]
        self._kind = self._make()
        self._has_time = bool(options.time) or type(self).at_ms is not AnomalyDetector.at_ms
        self._check()
        self._learns_first = options.learn == "before" or (
            options.learn == "usual" and self._kind.learns_first
        )
        self._forget_all()
        tags = {"pipeline": pipeline.Id, "processor": self.Id}
        self._counter = pipeline.MetricsService.create_counter("bspump.anomaly", tags, _COUNTS)
        self._gauge = pipeline.MetricsService.create_gauge(
            "bspump.anomaly.state",
            tags,
            {"keys": 0, "incidents": 0, "threshold": self._threshold.enter},
        )

    def _check(self) -> None:
        incident, kind = self.Options.incident, self._kind
        needs_time = kind.needs_time or incident.min_duration or incident.cool_down
        if (needs_time or incident.repeat) and not self._has_time:
            raise ConfigError(
                f"{self.locate_address()}: events have no time [{ConfigError.Code}]\n"
                f"  used by: {type(kind).__name__ if kind.needs_time else 'incident.*'}\n"
                "  what to do: set `time` to the field with Unix milliseconds, or override `at_ms`"
            )
        if len(self._fields) > 1 and not kind.takes_features:
            raise ConfigError(
                f"{self.locate_address()}: value: expected one field, for {type(kind).__name__}"
                f" takes single numbers, got {self.Options.value!r} [{ConfigError.Code}]"
            )

    def _forget_all(self) -> None:
        options = self.Options
        incident, threshold = options.incident, options.threshold
        floor = threshold.enter or (0.0 if threshold.rate else self._kind.usual_threshold)
        self._threshold = Threshold(floor, threshold.leave_ratio, threshold.rate)
        self._models = Models(self._make, options.max_keys, self._on_drop)
        self._incidents = Incidents(
            Rules(
                min_events=incident.min_events,
                min_duration_ms=round(incident.min_duration * 1000),
                cool_down_ms=round(incident.cool_down * 1000),
                repeat_ms=round(incident.repeat * 1000),
                most=options.max_keys,
            )
        )
        self._now_ms: int | None = None
        self._dropped: list[Alert] = []
        self._has_changed = False

    # What to override

    def key(self, context: Context, event: Event) -> Hashable:
        """Return what the event is about, as plain data; by default the field `key`."""
        return read_field(event, self.Options.key) if self.Options.key else None

    def group(self, context: Context, event: Event, key: Hashable) -> Hashable:
        """Return where its anomalies belong, as plain data; by default the field `group`."""
        return read_field(event, self.Options.group) if self.Options.group else key

    def value(self, context: Context, event: Event) -> Observation | None:
        """Return the number, or several by name, `None` if there is none."""
        if self._kind.takes_features:
            return {name: read_field(event, name) for name in self._fields}
        return read_field(event, self._fields[0])

    def at_ms(self, context: Context, event: Event) -> int | None:
        """Return the time of the event, Unix milliseconds; by default the field `time`."""
        return read_field(event, self.Options.time) if self.Options.time else None

    def report(self, alert: dict[str, Any], event: Event | None) -> Event | None:
        """Return what comes out for an alert, `None` for nothing.

        Args:
            alert: a new dict, to be used at will.
            event: the one that has caused it; `None` where time has, or the end of input.
        """
        return alert

    # What happens to an event

    def generate(self, context: Context, event: Event, depth: int) -> Sequence[Event]:
        if self.Options.emit != "alerts" and not isinstance(event, Mapping):
            raise ProcessingError(
                f"{self.locate_address()}: emit = {self.Options.emit}: expected a mapping, for"
                f" its score becomes a field, got {type(event).__name__}"
            )
        key = self.key(context, event)
        group = self.group(context, event, key)
        x = checked_observation(self.value(context, event))
        at_ms = checked_time(self.at_ms(context, event)) if self._has_time else 0
        before = self._advance(at_ms) if self._has_time and at_ms is not None else []
        if x is None or at_ms is None:
            self._counter.add("unscored", 1)
            return self._out(before, event, {"state": "unscored"}, [])
        self._has_changed = True
        model = self._models.use(key)
        if not model.seen:
            self._gauge.set("keys", len(self._models))
        if model.seen < self.Options.warm_up:
            self._learn(model, x, at_ms)
            self._counter.add("learning", 1)
            return self._out(before, event, {"state": "learning"}, self._take_dropped())
        score, alerts = self._judge(key, group, model, x, at_ms)
        note = self._note(key, group, score)
        return self._out(before, event, note, self._take_dropped() + alerts)

    def _advance(self, at_ms: int) -> list[Alert]:
        if self._now_ms is not None and at_ms <= self._now_ms:
            return []
        self._now_ms = at_ms
        self._has_changed = True
        return self._incidents.advance(at_ms)

    def _judge(
        self, key: Hashable, group: Hashable, model: Model, x: Observation, at_ms: int
    ) -> tuple[Score, list[Alert]]:
        """Score an observation and learn it, in the order that the options say."""
        if self._learns_first:
            self._learn(model, x, at_ms)
        score = model.detector.score_one(x, at_ms if self._has_time else None)
        threshold = self._threshold
        finding = Finding(key, x, score, at_ms)
        alerts = self._incidents.note(group, finding, threshold.enter, threshold.leave)
        is_anomalous = self._incidents.is_anomalous(key)
        if score is UNKNOWN:
            self._counter.add("learning", 1)
        else:
            if threshold.learn(score.score):
                self._gauge.set("threshold", threshold.enter)
            self._counter.add("scored", 1)
            self._counter.add("anomalous", int(is_anomalous))
        if not self._learns_first:
            if self._may_learn(model, is_anomalous):
                self._learn(model, x, at_ms)
            else:
                model.detector.skip_one(x, at_ms if self._has_time else None)
        return score, alerts

    def _may_learn(self, model: Model, is_anomalous: bool) -> bool:
        if not is_anomalous:
            model.skipped = 0
            return True
        if self.Options.learn != "normal" or model.skipped >= self.Options.adapt_after:
            return True
        model.skipped += 1
        return False

    def _learn(self, model: Model, x: Observation, at_ms: int) -> None:
        model.detector.learn_one(x, at_ms if self._has_time else None)
        model.seen += 1

    def _on_drop(self, key: Hashable) -> None:
        self._counter.add("key.evicted", 1)
        self._dropped += self._incidents.forget(key, reason="its key was dropped: too many keys")

    def _take_dropped(self) -> list[Alert]:
        dropped, self._dropped = self._dropped, []
        return dropped

    def _note(self, key: Hashable, group: Hashable, score: Score) -> dict[str, Any]:
        """Return what an event is told about itself."""
        if self.Options.emit == "alerts":
            return {}  # Nobody reads it.
        if score is UNKNOWN:
            return {"state": "learning"}
        note: dict[str, Any] = {
            "state": "normal",
            "score": score.score,
            "expected_low": score.low,
            "expected_high": score.high,
        }
        if self._incidents.is_anomalous(key):
            note |= {"state": "anomalous", "explanation": score.explanation}
            if found := self._incidents.find(group):
                note["incident"] = self._name(found.number)
        return note

    # What comes out

    def _out(
        self, before: list[Alert], event: Event, note: dict[str, Any], alerts: list[Alert]
    ) -> Sequence[Event]:
        emit = self.Options.emit
        if emit == "alerts" and not before and not alerts:
            return ()
        out = self._reports(before, None)
        if emit != "alerts":
            out.append({**event, self.Options.field: note})
        return out + self._reports(alerts, event)

    def _reports(self, alerts: list[Alert], event: Event | None) -> list[Event]:
        if not alerts:
            return []
        self._gauge.set("incidents", self._incidents.open_count)
        reports = []
        for alert in alerts:
            self._counter.add(f"incident.{alert['state']}", 1)
            alert["incident"] = self._name(alert["incident"])
            if not self._has_time:
                for name in _TIMES:
                    del alert[name]
            reported = self.report(alert, event) if self.Options.emit != "events" else None
            if reported is not None:
                reports.append(reported)
        return reports

    def _name(self, number: int) -> str:
        return f"{self.locate_address()}:{number}"

    def release(self) -> None:
        alerts = self._incidents.close_all("the input has ended")
        self._has_changed = self._has_changed or bool(alerts)
        for reported in self._reports(alerts, None):
            self.Pipeline.inject({}, reported, (self.PipelineDepth or 0) + 1)

    # What checkpoints keep

    def snapshot(self) -> Snapshot | None:
        if not self._has_changed:
            return None
        self._has_changed = False
        changed, removed = self._models.changes()
        value = {
            "detector": type(self._kind).__name__,
            "version": self._kind.version,
            "shape": self._kind.shape(),
            "now_ms": self._now_ms,
            "threshold": self._threshold.snapshot(),
            "incidents": self._incidents.snapshot(),
        }
        return Snapshot(version=self.Version, value=value, changed=changed, removed=removed)

    def restore(self, state: PartState) -> None:
        kept = state.value
        self._check_fits(state)
        self._now_ms = kept["now_ms"]
        self._threshold.restore(kept["threshold"])
        self._incidents.restore(kept["incidents"])
        self._models.restore(state.keyed, kept["version"])
        self._has_changed = bool(self._dropped)
        self._gauge.set("keys", len(self._models))
        self._gauge.set("incidents", self._incidents.open_count)
        self._gauge.set("threshold", self._threshold.enter)

    def _check_fits(self, state: PartState) -> None:
        kept, kind = state.value, self._kind
        is_newer = state.version > self.Version or kept["version"] > kind.version
        found = (kept["detector"], kept["shape"])
        wanted = (type(kind).__name__, kind.shape())
        if is_newer or found != wanted:
            raise ConfigError(
                f"{self.locate_address()}: what was learned is of another detector"
                f" [{ConfigError.Code}]\n"
                f"  kept: {found[0]} {found[1]}{', of a newer version' if is_newer else ''}\n"
                f"  now: {wanted[0]} {wanted[1]}\n"
                "  what to do: go back to the detector of before, or give this part another Id:"
                " then it learns anew"
            )

    def rest_get(self) -> dict[str, Any]:
        shown = [incident.snapshot() for incident in islice(self._incidents, _SHOWN)]
        return super().rest_get() | {
            "Keys": len(self._models),
            "Threshold": self._threshold.enter,
            "Incidents": shown,
        }


_COUNTS = {
    "scored": 0,
    "learning": 0,
    "unscored": 0,
    "anomalous": 0,
    "incident.open": 0,
    "incident.ongoing": 0,
    "incident.closed": 0,
    "key.evicted": 0,
}
