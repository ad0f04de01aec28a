"""One incident instead of a thousand alerts: what belongs together, when it begins and ends."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from .detector import Score

_NAMED_KEYS = 20
_SPARE = 64

Alert = dict[str, Any]


class Finding(NamedTuple):
    """An observation of a key, with its score."""

    key: Hashable
    value: Any
    score: Score
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When an incident opens and closes.

    Args:
        min_events: so many anomalous observations without a normal one open it.
        min_duration_ms: from the first to the last of these it takes at least so long.
        cool_down_ms: it closes when the last anomalous observation is so long ago, by the newest
            time of the stream; 0: with the first normal one.
        repeat_ms: while it is open it is reported again after so long; 0: never.
        most: incidents at a time; one more, and the oldest is closed.
    """

    min_events: int = 1
    min_duration_ms: int = 0
    cool_down_ms: int = 0
    repeat_ms: int = 0
    most: int = 100_000


@dataclass(slots=True)
class Incident:
    """What a checkpoint keeps of an incident, also of one that is not open yet."""

    number: int
    group: Any
    since_ms: int
    last_ms: int
    reported_ms: int = 0
    is_open: bool = False
    count: int = 0
    active: dict[Any, None] = field(default_factory=dict)
    """The keys that are anomalous now."""
    named: list[Any] = field(default_factory=list)
    """The first keys that were."""
    peak: dict[str, Any] = field(default_factory=dict)
    """The strangest observation."""

    def add(self, finding: Finding) -> None:
        """Take an anomalous observation into account."""
        self.count += 1
        self.since_ms = min(self.since_ms, finding.at_ms)
        self.last_ms = max(self.last_ms, finding.at_ms)
        self.active[finding.key] = None
        if len(self.named) < _NAMED_KEYS and finding.key not in self.named:
            self.named.append(finding.key)
        score = finding.score
        if not self.peak or score.score > self.peak["score"]:
            self.peak = {
                "key": finding.key,
                "at_ms": finding.at_ms,
                "value": finding.value,
                "score": score.score,
                "expected_low": score.low,
                "expected_high": score.high,
                "explanation": score.explanation,
            }

    def alert(self, state: str, reason: str) -> Alert:
        """Return what is reported of it."""
        return {
            "incident": self.number,
            "state": state,
            "reason": reason,
            "group": self.group,
            "keys": list(self.named),
            "since_ms": self.since_ms,
            "last_ms": self.last_ms,
            "duration_ms": self.last_ms - self.since_ms,
            "count": self.count,
            **self.peak,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return all of it, as plain data that does not change any more."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return found | {"active": list(self.active), "named": list(self.named)}


class Incidents:
    """Put anomalous observations together into incidents, one at a time for each group.

    A key has become anomalous with a score beyond `enter`, and stays so until one is not beyond
    `leave`. A group is as long as one of its keys is. Before an incident opens, a group that is not
    anomalous any more is forgotten.

    Each call returns the alerts that it causes, in their order: incidents that `open`, that are
    reported again (`ongoing`), and that are `closed`.

    Attributes:
        open_count: how many are open.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._groups: dict[Hashable, Incident] = {}
        self._group_of: dict[Hashable, Hashable] = {}
        self._due: list[tuple[int, int, Hashable]] = []
        self._number = 0
        self.open_count = 0

    def __iter__(self) -> Iterator[Incident]:
        """Return those that are open, the oldest first."""
        return (incident for incident in self._groups.values() if incident.is_open)

    def is_anomalous(self, key: Hashable) -> bool:
        """Tell whether the last observation of `key` was an anomaly."""
        return key in self._group_of

    def find(self, group: Hashable) -> Incident | None:
        """Return the open incident of a group."""
        incident = self._groups.get(group)
        return incident if incident is not None and incident.is_open else None

    def note(self, group: Hashable, finding: Finding, enter: float, leave: float) -> list[Alert]:
        """Take an observation into account, whether it is an anomaly or not."""
        key = finding.key
        if finding.score.score <= (leave if key in self._group_of else enter):
            return self.forget(key, reason="back to normal") if key in self._group_of else []
        alerts: list[Alert] = []
        if self._group_of.setdefault(key, group) != group:
            alerts += self.forget(key, reason="its key went to another group")
            self._group_of[key] = group
        incident = self._groups.get(group)
        if incident is None:
            alerts += self._make_room()
            incident = self._begin(group, finding.at_ms)
        incident.add(finding)
        return alerts + self._reports(incident, finding.at_ms)

    def _begin(self, group: Hashable, at_ms: int) -> Incident:
        self._number += 1
        incident = Incident(self._number, group, at_ms, at_ms)
        self._groups[group] = incident
        self._watch(incident)
        return incident

    def _watch(self, incident: Incident) -> None:
        if not self._rules.cool_down_ms:
            return
        heapq.heappush(self._due, self._entry(incident))
        if len(self._due) > 2 * len(self._groups) + _SPARE:
            # Most are of incidents that never opened.
            self._due = [self._entry(each) for each in self._groups.values()]
            heapq.heapify(self._due)

    def _entry(self, incident: Incident) -> tuple[int, int, Hashable]:
        return incident.last_ms + self._rules.cool_down_ms, incident.number, incident.group

    def _make_room(self) -> list[Alert]:
        if len(self._groups) < self._rules.most:
            return []
        return self._close(next(iter(self._groups.values())), "too many incidents at a time")

    def _reports(self, incident: Incident, at_ms: int) -> list[Alert]:
        rules = self._rules
        if not incident.is_open:
            lasts_ms = incident.last_ms - incident.since_ms
            if incident.count < rules.min_events or lasts_ms < rules.min_duration_ms:
                return []
            incident.is_open, incident.reported_ms = True, at_ms
            self.open_count += 1
            return [incident.alert("open", "")]
        if rules.repeat_ms and at_ms - incident.reported_ms >= rules.repeat_ms:
            incident.reported_ms = at_ms
            return [incident.alert("ongoing", "")]
        return []

    def forget(self, key: Hashable, *, reason: str) -> list[Alert]:
        """Let a key be anomalous no more; one that is not is ignored."""
        if key not in self._group_of:
            return []
        incident = self._groups[self._group_of.pop(key)]
        del incident.active[key]
        if incident.active or (incident.is_open and self._rules.cool_down_ms):
            return []
        return self._close(incident, reason)

    def advance(self, now_ms: int) -> list[Alert]:
        """Close what has cooled down; `now_ms` is the newest time of the stream."""
        alerts: list[Alert] = []
        # Another list may take its place meanwhile.
        while self._due and self._due[0][0] <= now_ms:
            _, number, group = heapq.heappop(self._due)
            incident = self._groups.get(group)
            if incident is None or incident.number != number:
                continue
            if incident.last_ms + self._rules.cool_down_ms > now_ms:
                self._watch(incident)
            else:
                alerts += self._close(incident, "nothing strange for the time of its cool-down")
        return alerts

    def close_all(self, reason: str) -> list[Alert]:
        """Close everything, the oldest first."""
        return [
            alert
            for incident in list(self._groups.values())
            for alert in self._close(incident, reason)
        ]

    def _close(self, incident: Incident, reason: str) -> list[Alert]:
        del self._groups[incident.group]
        for key in incident.active:
            del self._group_of[key]
        if not incident.is_open:
            return []
        self.open_count -= 1
        return [incident.alert("closed", reason)]

    def snapshot(self) -> Any:
        """Return all there is to know, as plain data that does not change any more."""
        return {
            "number": self._number,
            "incidents": [incident.snapshot() for incident in self._groups.values()],
        }

    def restore(self, state: Any) -> None:
        """Go on from a `snapshot`, perhaps with other rules."""
        self._number = state["number"]
        for kept in state["incidents"]:
            active, named = dict.fromkeys(kept["active"]), list(kept["named"])
            incident = Incident(**(kept | {"active": active, "named": named}))
            self._groups[incident.group] = incident
            self.open_count += incident.is_open
            self._group_of.update(dict.fromkeys(incident.active, incident.group))
            self._watch(incident)
