"""What the processor does with observations: score, learn, put anomalies together. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from .detector import UNKNOWN, Detector, Observation, Score
from .incidents import Alert, Finding, Incident, Incidents, Rules
from .models import Model, Models
from .options import AnomalyOptions
from .threshold import Threshold


class Verdict(NamedTuple):
    """What became of an observation.

    Args:
        state: `learning`: it could not be scored yet; `normal` or `anomalous`.
        score: of the observation.
        alerts: what it has caused, in order.
    """

    state: Literal["learning", "normal", "anomalous"]
    score: Score
    alerts: list[Alert]


class Watch:
    """The detectors of all keys, the threshold, and the incidents.

    Args:
        make: makes a detector that has learned nothing.
        options: those of the processor; of them, how to learn and what an incident is.

    Attributes:
        kind: a detector that learns nothing, of the kind that `make` makes.
        threshold: that of all keys.
        evicted: keys that had to make room for others.
    """

    def __init__(self, make: Callable[[], Detector], options: AnomalyOptions) -> None:
        self.kind = make()
        self._options = options
        self._learns_first = options.learn == "before" or (
            options.learn == "usual" and self.kind.learns_first
        )
        wanted, incident = options.threshold, options.incident
        floor = wanted.enter or (0.0 if wanted.rate else self.kind.usual_threshold)
        self.threshold = Threshold(floor, wanted.leave_ratio, wanted.rate)
        self.evicted = 0
        self._dropped: list[Alert] = []
        self._models = Models(make, options.max_keys, self._on_drop)
        self._incidents = Incidents(
            Rules(
                min_events=incident.min_events,
                min_duration_ms=round(incident.min_duration * 1000),
                cool_down_ms=round(incident.cool_down * 1000),
                repeat_ms=round(incident.repeat * 1000),
                most=options.max_keys,
            )
        )

    @property
    def needs_time(self) -> bool:
        """Tell whether observations must have a time."""
        incident = self._options.incident
        has_durations = incident.min_duration or incident.cool_down or incident.repeat
        return self.kind.needs_time or bool(has_durations)

    @property
    def key_count(self) -> int:
        """How many keys have a model."""
        return len(self._models)

    @property
    def open_count(self) -> int:
        """How many incidents are open."""
        return self._incidents.open_count

    def incidents(self) -> Iterator[Incident]:
        """Return the incidents that are open, the oldest first."""
        return iter(self._incidents)

    def incident_of(self, group: Hashable) -> int | None:
        """Return the number of the open incident of a group."""
        found = self._incidents.find(group)
        return found.number if found is not None else None

    def observe(self, key: Hashable, group: Hashable, x: Observation, at_ms: int | None) -> Verdict:
        """Score an observation and learn it, in the order that the options say."""
        model = self._models.use(key)
        dropped, self._dropped = self._dropped, []
        if model.seen < self._options.warm_up:
            self._learn(model, x, at_ms)
            return Verdict("learning", UNKNOWN, dropped)
        if self._learns_first:
            self._learn(model, x, at_ms)
        score = model.detector.score_one(x, at_ms)
        finding = Finding(key, x, score, at_ms or 0)
        enter, leave = self.threshold.enter, self.threshold.leave
        alerts = dropped + self._incidents.note(group, finding, enter, leave)
        is_anomalous = self._incidents.is_anomalous(key)
        if not self._learns_first:
            if self._is_to_learn(model, is_anomalous=is_anomalous):
                self._learn(model, x, at_ms)
            else:
                model.detector.skip_one(x, at_ms)
        if score is UNKNOWN:
            return Verdict("learning", score, alerts)
        self.threshold.learn(score.score)
        return Verdict("anomalous" if is_anomalous else "normal", score, alerts)

    def _learn(self, model: Model, x: Observation, at_ms: int | None) -> None:
        model.detector.learn_one(x, at_ms)
        model.seen += 1

    def _is_to_learn(self, model: Model, *, is_anomalous: bool) -> bool:
        if not is_anomalous:
            model.skipped = 0
            return True
        if self._options.learn != "normal" or model.skipped >= self._options.adapt_after:
            return True
        model.skipped += 1
        return False

    def _on_drop(self, key: Hashable) -> None:
        self.evicted += 1
        self._dropped += self._incidents.forget(key, reason="its key was dropped: too many keys")

    def advance(self, now_ms: int) -> list[Alert]:
        """Let time pass; return what has cooled down."""
        return self._incidents.advance(now_ms)

    def close_all(self, reason: str) -> list[Alert]:
        """Close all incidents, the oldest first."""
        return self._incidents.close_all(reason)

    def changes(self) -> tuple[dict[str, Any], dict[Hashable, Any], set[Hashable]]:
        """Return the state that is not kept by key, and what has changed of that which is."""
        changed, removed = self._models.changes()
        value = {
            "threshold": self.threshold.snapshot(),
            "incidents": self._incidents.snapshot(),
        }
        return value, changed, removed

    def restore(
        self, value: Mapping[str, Any], keyed: Mapping[Hashable, Any], version: int
    ) -> None:
        """Go on from what `changes` returned; `version` is that of the detectors."""
        self.threshold.restore(value["threshold"])
        self._incidents.restore(value["incidents"])
        self._models.restore(keyed, version)
