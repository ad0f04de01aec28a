"""The processor that finds anomalies in a stream of events."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from bspump.abc.errors import ConfigError, ProcessingError
from bspump.abc.event_time import BEGIN_MS, EVENT_TIME, WATERMARK, TimedProcessor
from bspump.abc.state import PartState, Snapshot

from .detector import UNKNOWN, Detector, Observation
from .incidents import Alert
from .named import detector_factory
from .options import AnomalyOptions
from .reading import checked_observation, checked_time, read_field
from .watch import Verdict, Watch

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_COUNTS = (
    "scored",
    "learning",
    "unscored",
    "anomalous",
    "incident.open",
    "incident.ongoing",
    "incident.closed",
    "key.evicted",
)
_TIMES = ("since_ms", "last_ms", "duration_ms", "at_ms")
_SHOWN = 100


class AnomalyDetector(TimedProcessor):
    """Score events against what is usual for their key, and report incidents.

    Each key has a detector of its own. An observation whose score is beyond a threshold is an
    anomaly; anomalies that belong together are one incident, which is reported when it opens and
    when it closes. Alerts are dicts::

        {"incident": "Flights.AnomalyDetector:7", "state": "open", "reason": "",
         "group": "JFK", "keys": ["JFK"], "since_ms": …, "last_ms": …, "duration_ms": 0,
         "count": 1, "key": "JFK", "at_ms": …, "value": 93.0, "score": 5.2,
         "expected_low": -10.5, "expected_high": 31.0, "explanation": "93 is 5.2 …"}

    `state` is `open`, `ongoing` or `closed`; what follows `count` is about the strangest
    observation so far. With `emit = events` or `all` events come out as copies, as dicts, with
    their score in `field`.

    The time of an event is that of its context (see `bspump.abc.event_time`), and how far time has
    come its watermark; or with the option `time`, or where `at_ms` is overridden, what these say,
    and the newest time that was seen. The wall clock has no part in it. Without either, what ends
    in `_ms` is missing in alerts.

    Options say which fields matter; for more, override `key`, `group`, `value`, `at_ms` and
    `report`. An event without a number goes on unscored; it is counted, as all that happens is, in
    the metric `bspump.anomaly`.

    State: that of the detector for each key, the threshold, the incidents. Cut anywhere and
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
        make = detector or detector_factory(
            options.detector, options.parameters, used_by=self._address
        )
        self._watch = Watch(make, options)
        self._fields = [name.strip() for name in options.value.split(",")]
        self._reads_time = bool(options.time) or type(self).at_ms is not AnomalyDetector.at_ms
        self._has_time = self._reads_time
        self._needs_time = self._watch.needs_time
        self._has_changed = False
        self._check()
        tags = {"pipeline": pipeline.Id, "processor": self.Id}
        metrics = pipeline.MetricsService
        self._counter = metrics.create_counter("bspump.anomaly", tags, dict.fromkeys(_COUNTS, 0))
        self._gauge = metrics.create_gauge("bspump.anomaly.state", tags)
        self._measure()
        app.PubSub.subscribe("Application.tick!", self._on_tick)

    def _check(self) -> None:
        kind = self._watch.kind
        if len(self._fields) > 1 and not kind.takes_features:
            raise ConfigError(
                f"{self._address}: value: expected one field, for {type(kind).__name__}"
                f" takes single numbers, got {self.Options.value!r} [{ConfigError.Code}]"
            )

    # What to override

    def key(self, context: Context, event: Event) -> Hashable:
        """Return what the event is about, as plain data; by default the field `key`."""
        return read_field(event, self.Options.key) if self.Options.key else None

    def group(self, context: Context, event: Event, key: Hashable) -> Hashable:
        """Return where its anomalies belong, as plain data; by default the field `group`."""
        return read_field(event, self.Options.group) if self.Options.group else key

    def value(self, context: Context, event: Event) -> Observation | None:
        """Return the number, or several by name, `None` if there is none."""
        if self._watch.kind.takes_features:
            return {name: read_field(event, name) for name in self._fields}
        return read_field(event, self._fields[0])

    def at_ms(self, context: Context, event: Event) -> int | None:
        """Return the time of the event, Unix milliseconds; by default the field `time`."""
        return read_field(event, self.Options.time)

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
                f"{self._address}: emit = {self.Options.emit}: expected a mapping, for"
                f" its score becomes a field, got {type(event).__name__}"
            )
        key = self.key(context, event)
        group = self.group(context, event, key)
        x = checked_observation(self.value(context, event))
        at_ms, watermark_ms = self._time_of(context, event)
        cooled = self._pass(watermark_ms)
        if x is None or (at_ms is None and self._has_time):
            self._counter.add("unscored", 1)
            return self._out(cooled, event, {"state": "unscored"}, [])
        self._has_changed = True
        verdict = self._watch.observe(key, group, x, at_ms)
        self._count(verdict)
        return self._out(cooled, event, self._note(group, verdict), verdict.alerts)

    def _time_of(self, context: Context, event: Event) -> tuple[int | None, int]:
        """Return the time of an event, `None` if it is none, and how far time has come with it."""
        if self._reads_time:
            at_ms = checked_time(self.at_ms(context, event))
            return at_ms, BEGIN_MS if at_ms is None else at_ms
        found: int | None = context.get(EVENT_TIME)
        if found is not None:
            if not self._has_time:
                self._has_time = self._has_changed = True
            return found, int(context.get(WATERMARK, found))
        if self._needs_time:
            raise ProcessingError(
                f"{self._address}: the event has no time\n"
                "  what to do: set `time` to the field with Unix milliseconds"
            )
        return None, BEGIN_MS

    def _pass(self, watermark_ms: int) -> list[Alert]:
        """Let time pass; return what comes to its end."""
        if watermark_ms <= self._watermark_ms:
            return []
        self._watermark_ms = watermark_ms
        self._has_changed = True
        return self._watch.advance(watermark_ms)

    def _count(self, verdict: Verdict) -> None:
        counter = self._counter
        counter.add("learning" if verdict.state == "learning" else "scored", 1)
        if verdict.state == "anomalous":
            counter.add("anomalous", 1)
        if self._watch.evicted:
            counter.add("key.evicted", self._watch.evicted)
            self._watch.evicted = 0

    def _note(self, group: Hashable, verdict: Verdict) -> dict[str, Any]:
        """Return what an event is told about itself."""
        state, score, _ = verdict
        if score is UNKNOWN or self.Options.emit == "alerts":
            return {"state": state}
        note: dict[str, Any] = {
            "state": state,
            "score": score.score,
            "expected_low": score.low,
            "expected_high": score.high,
        }
        if state == "anomalous":
            note["explanation"] = score.explanation
            number = self._watch.incident_of(group)
            if number is not None:
                note["incident"] = self._name(number)
        return note

    # What comes out

    def _out(
        self, cooled: list[Alert], event: Event, note: dict[str, Any], alerts: list[Alert]
    ) -> Sequence[Event]:
        if self.Options.emit == "alerts":
            if not cooled and not alerts:
                return ()
            return self._reports(cooled, None) + self._reports(alerts, event)
        annotated = {**event, self.Options.field: note}
        return [*self._reports(cooled, None), annotated, *self._reports(alerts, event)]

    def _reports(self, alerts: list[Alert], event: Event | None) -> list[Event]:
        reports: list[Event] = []
        for alert in alerts:
            self._counter.add(f"incident.{alert['state']}", 1)
            alert["incident"] = self._name(alert["incident"])
            if not self._has_time:
                for name in _TIMES:
                    del alert[name]
            if self.Options.emit != "events":
                reported = self.report(alert, event)
                if reported is not None:
                    reports.append(reported)
        return reports

    def _name(self, number: int) -> str:
        return f"{self._address}:{number}"

    def watermark_ms(self) -> int:
        # What it reads itself says nothing to the parts behind it.
        return BEGIN_MS if self._reads_time else self._watermark_ms

    def advance(self, watermark_ms: int, now_ms: int) -> None:
        if not self._reads_time:
            before_ms = self._watermark_ms
            self._let_out(self._pass(watermark_ms), before_ms)
        self._measure()

    def release(self) -> None:
        alerts = self._watch.close_all("the input has ended")
        self._has_changed = self._has_changed or bool(alerts)
        self._let_out(alerts, self._watermark_ms)

    def _let_out(self, alerts: list[Alert], before_ms: int) -> None:
        """Hand on alerts that no event has caused."""
        for alert in alerts:
            due_ms = alert["last_ms"] + round(self.Options.incident.cool_down * 1000)
            try:
                reports = self._reports([alert], None)
            except Exception as error:  # noqa: BLE001 - of `report`; no event is to blame
                self.Pipeline.set_error(None, None, error)
                continue
            for reported in reports:
                if self._has_time and not self._reads_time:
                    self.hand_on(reported, due_ms, before_ms)
                else:
                    self.Pipeline.inject({}, reported, (self.PipelineDepth or 0) + 1)
        self._measure()

    # What others see

    def _on_tick(self, _message: str) -> None:
        self._measure()

    def _measure(self) -> None:
        self._gauge.set("keys", self._watch.key_count)
        self._gauge.set("incidents", self._watch.open_count)
        self._gauge.set("threshold", self._watch.threshold.enter)

    def rest_get(self) -> dict[str, Any]:
        return super().rest_get() | {
            "Keys": self._watch.key_count,
            "Threshold": self._watch.threshold.enter,
            "Incidents": [each.snapshot() for each in islice(self._watch.incidents(), _SHOWN)],
        }

    # What checkpoints keep

    def snapshot(self) -> Snapshot | None:
        if not self._has_changed:
            return None
        self._has_changed = False
        value, changed, removed = self._watch.changes()
        kind = self._watch.kind
        value |= {
            "detector": type(kind).__name__,
            "version": kind.version,
            "shape": kind.shape(),
            "watermark_ms": self._watermark_ms,
            "has_time": self._has_time,
        }
        return Snapshot(version=self.Version, value=value, changed=changed, removed=removed)

    def restore(self, state: PartState) -> None:
        kept = state.value
        self._check_version(state.version)
        self._check_detector(kept)
        self._watermark_ms = kept["watermark_ms"]
        self._has_time = kept["has_time"] or self._reads_time
        self._watch.restore(kept, state.keyed, kept["version"])
        # Keys that there is no room for any more are gone.
        self._has_changed = bool(self._watch.evicted)
        self._measure()

    def _check_version(self, stored: int) -> None:
        if stored > self.Version:
            raise ConfigError(
                f"{self._address}: its state is of version {stored} [{ConfigError.Code}]\n"
                f"  expected: at most {self.Version}\n"
                "  what to do: run the program that wrote it, or a newer one"
            )

    def _check_detector(self, kept: Mapping[str, Any]) -> None:
        kind = self._watch.kind
        is_newer = kept["version"] > kind.version
        found = (kept["detector"], kept["shape"])
        wanted = (type(kind).__name__, kind.shape())
        if is_newer or found != wanted:
            raise ConfigError(
                f"{self._address}: what was learned is of another detector"
                f" [{ConfigError.Code}]\n"
                f"  kept: {found[0]} {found[1]}{', of a newer version' if is_newer else ''}\n"
                f"  now: {wanted[0]} {wanted[1]}\n"
                "  what to do: go back to the detector of before, or give this part another Id:"
                " then it learns anew"
            )
