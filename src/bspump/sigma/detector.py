"""Processors that hold events against rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.processor import Generator, Processor

from .index import RuleSet
from .loading import Given
from .options import SigmaOptions, fields_of, load

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

    from .rules import Rule


class FilterOptions(SigmaOptions, frozen=True, kw_only=True):
    """Which rules there are, and what becomes of events that match."""

    drop: Annotated[
        bool, Meta(description="Events that match a rule are dropped, and the others go on.")
    ] = False


class SigmaFilter(Processor):
    """Let only events go on that match one rule at least; they stay as they are.

    Correlations are ignored here: they are for the `SigmaCorrelator`.

    Args:
        rules: a file, a directory, the content of a rule as a dict, or several of these; those
            of the option `rules` come after them.
    """

    OptionsClass = FilterOptions
    Options: FilterOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        rules: Given | Iterable[Given] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Rules = RuleSet(load(self, rules).rules, fields_of(self))
        self._drops = self.Options.drop

    def process(self, context: Context, event: Event, /) -> Event | None:
        return event if self.Rules.is_matched(event) is not self._drops else None


class SigmaDetector(Generator):
    """Make an alert of each rule that an event matches.

    Events end here; for each rule that matches, in the order of the rules, this comes out::

        {"rule_id": "9b2f…", "title": "Password guessing", "level": "high",
         "tags": ["attack.t1110"], "event": {…}}

    Where an `EventTime` stands before it, alerts have the time of their event.

    Args:
        rules: a file, a directory, the content of a rule as a dict, or several of these; those
            of the option `rules` come after them.
    """

    OptionsClass = SigmaOptions
    Options: SigmaOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        rules: Given | Iterable[Given] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        loaded = load(self, rules)
        self.Rules = RuleSet(loaded.rules, fields_of(self))
        self._left_out = loaded.left_out
        self._counter = pipeline.MetricsService.create_counter(
            "bspump.sigma",
            {"pipeline": pipeline.Id, "processor": self.Id},
            {"alerts": 0},
            description="Alerts of rules",
        )

    def report(self, rule: Rule, event: Event, /) -> Event | None:
        """Override: return the alert for an event that matches a rule, `None` for none."""
        return {
            "rule_id": rule.id,
            "title": rule.title,
            "level": rule.level,
            "tags": list(rule.tags),
            "event": event,
        }

    def generate(self, context: Context, event: Event, depth: int, /) -> list[Any]:
        rules = self.Rules.matches(event)
        if not rules:
            return rules
        # Each alert has its own, for whoever changes it.
        events = [event, *(copy(event) for _ in rules[1:])]
        made = [self.report(rule, each) for rule, each in zip(rules, events, strict=True)]
        alerts = [alert for alert in made if alert is not None]
        self._counter.add("alerts", len(alerts))
        return alerts

    def rest_get(self) -> dict[str, Any]:
        counts = {
            "Rules": len(self.Rules),
            "LeftOut": self._left_out,
            "Unanchored": self.Rules.unanchored,
        }
        return {**super().rest_get(), **counts}
