"""The processor that correlates alerts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bspump.abc.errors import ConfigError
from bspump.abc.event_time import END_MS
from bspump.windows.ordered import OrderedProcessor

from . import counting
from .correlations import Correlation
from .counting import Found, Work
from .loading import Given
from .options import CorrelatorOptions, fields_of, load

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class Correlated(NamedTuple):
    """A correlation that holds for a group.

    Args:
        correlation: which one.
        group: values by the names of `group-by`.
        found: when, and how many.
    """

    correlation: Correlation
    group: dict[str, Any]
    found: Found


class SigmaCorrelator(OrderedProcessor):
    """Correlate the alerts of a `SigmaDetector`: so many, so many different, all, or in order.

    Alerts of rules that correlations refer to end here, unless one of these says `generate`; all
    others go on. When a correlation holds for a group, this comes out::

        {"rule_id": "0c1d…", "title": "Many failed logins", "level": "high", "tags": […],
         "correlation": "event_count", "group": {"user": "ann"}, "count": 10,
         "start_ms": …, "end_ms": …}

    Alerts are put in the order of their times first; an `EventTime` stands before the detector.
    An alert is not counted where its event lacks a field of `group-by`, or the one that is
    counted.

    State: for each correlation and group, as many times, values or rules as it asks for. Cut
    anywhere and restored, the same comes out. A correlation that has changed begins anew.

    Args:
        rules: the same as those of the detector, with correlations among them.
    """

    OptionsClass = CorrelatorOptions
    Options: CorrelatorOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        rules: Given | Iterable[Given] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._fields = fields_of(self)
        correlations = load(self, rules).correlations
        self._correlations = {each.identity: each for each in correlations}
        self._by_rule: dict[str, list[Correlation]] = {}
        for each in correlations:
            for rule in dict.fromkeys(each.rules):
                self._by_rule.setdefault(rule, []).append(each)
        self._counter = pipeline.MetricsService.create_counter(
            "bspump.sigma",
            {"pipeline": pipeline.Id, "processor": self.Id},
            {"alerts": 0},
            description="Alerts of rules",
        )
        if not correlations:
            raise ConfigError(
                f"{self._address}: there is no correlation among its rules [{ConfigError.Code}]"
            )

    def report(self, found: Correlated, /) -> Event | None:
        """Override: return the alert for a correlation that holds, `None` for none."""
        correlation, group, (start_ms, end_ms, number) = found
        return {
            "rule_id": correlation.id,
            "title": correlation.title,
            "level": correlation.level,
            "tags": list(correlation.tags),
            "correlation": correlation.kind,
            "group": group,
            "count": number,
            "start_ms": start_ms,
            "end_ms": end_ms,
        }

    # What happens

    def generate(self, context: Context, event: Event, depth: int, /) -> list[Any]:
        rule = event["rule_id"]
        correlations = self._by_rule.get(rule, ())
        made: list[Any] = []
        is_late = bool(correlations) and self.is_late(context, event)
        for each in () if is_late else correlations:
            item = self._item(each, rule, event)
            if item is not None:
                made += super().generate(context, item, depth)
        if not correlations or any(each.generate for each in correlations):
            made.append(event)
        return made

    def _item(self, correlation: Correlation, rule: str, alert: Event) -> list[Any] | None:
        """Return what is kept of an alert; `None` if it lacks something."""
        group, value = [], None
        for name in correlation.group_by:
            found = self._value(correlation, rule, name, alert)
            if found is None:
                return None
            group.append(found)
        if correlation.value_field:
            value = self._value(correlation, rule, correlation.value_field, alert)
            if value is None:
                return None
        return [correlation.identity, rule, tuple(group), value]

    def _value(self, correlation: Correlation, rule: str, name: str, alert: Event) -> Any:
        """Return the value of a field as plain data that can be a key."""
        values = self._fields.values(alert["event"], correlation.field_in(rule, name))
        plain = [v if isinstance(v, str | int | float) else str(v) for v in values if v is not None]
        return plain[0] if len(plain) == 1 else tuple(plain) or None

    def key(self, context: Context, event: Event, /) -> Hashable:
        correlation, _, group, _ = event
        return correlation, *group

    def new_work(self) -> Work:
        return counting.new()

    def is_idle(self, work: Work, /) -> bool:
        return bool(work["due"] == END_MS)

    def due_ms(self, work: Work, /) -> int:
        return int(work["due"])

    def take(self, work: Work, key: Any, at_ms: int, event: Event, /) -> list[Correlated]:
        _, rule, _, value = event
        correlation = self._correlations.get(key[0])
        if correlation is None:
            return []
        return self._found(correlation, key, counting.take(correlation, work, at_ms, rule, value))

    def expire(self, work: Work, key: Any, at_ms: int, /) -> list[Correlated]:
        correlation = self._correlations.get(key[0])
        if correlation is None:  # It is not the same any more; what was begun is forgotten.
            work.update(counting.new())
            return []
        return self._found(correlation, key, counting.expire(correlation, work, at_ms))

    def _found(self, correlation: Correlation, key: Any, found: Found | None) -> list[Correlated]:
        if found is None:
            return []
        self._counter.add("alerts", 1)
        group = dict(zip(correlation.group_by, key[1:], strict=True))
        return [Correlated(correlation, group, found)]
