"""Correlations: rules about how often, or in which order, other rules match."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from .problems import Place
from .rules import head_of

KINDS: Final = ("event_count", "value_count", "temporal", "temporal_ordered")
OPERATORS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "neq": operator.ne,
}
_SPAN: Final = re.compile(r"(\d+)(s|m|h|d|w|M|y)")
_UNITS_MS: Final = {
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "M": 2_592_000_000,
    "y": 31_536_000_000,
}


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """A correlation, checked.

    Args:
        id: its id; its name or title where it has none.
        kind: what is counted: events, values of a field, or rules, in any order or in this one.
        rules: ids of the rules it is about.
        group_by: fields whose values events must have in common.
        span_ms: so far apart they may be.
        bounds: what the number is compared with; all of them have to hold.
        value_field: whose values are counted.
        aliases: by the name of a field and the id of a rule, the field in its events.
        generate: alerts of the rules go on as well.
    """

    id: str
    name: str
    title: str
    level: str
    tags: tuple[str, ...]
    kind: str
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    span_ms: int
    bounds: tuple[tuple[str, int], ...]
    value_field: str
    aliases: Mapping[str, Mapping[str, str]]
    generate: bool

    @cached_property
    def identity(self) -> str:
        """What it is known by in state: another one if something is changed that matters."""
        matters = (self.kind, self.rules, self.group_by, self.span_ms, self.bounds)
        text = repr((*matters, self.value_field, sorted(self.aliases.items())))
        return f"{self.id}#{sha256(text.encode()).hexdigest()[:12]}"

    @cached_property
    def least(self) -> int:
        """From which number on it holds, and for all greater ones; 0 if it is not like that."""
        if all(name in ("gt", "gte") for name, _ in self.bounds):
            return max(n + 1 if name == "gt" else n for name, n in self.bounds)
        return 0

    @cached_property
    def enough(self) -> int:
        """A number that need not be distinguished from greater ones."""
        return max(n for _, n in self.bounds) + 1

    def holds(self, count: int) -> bool:
        """Tell whether a number is as it was wanted."""
        return all(OPERATORS[name](count, bound) for name, bound in self.bounds)

    def field_in(self, rule: str, field: str) -> str:
        """Return what a field is called in events of a rule."""
        return self.aliases.get(field, {}).get(rule, field)


def read_correlation(
    document: Mapping[str, Any], names: Mapping[str, str], place: Place
) -> Correlation | None:
    """Return a correlation; `None` if something is wrong with it, which is reported.

    Args:
        document: as it was read.
        names: ids of rules, by all the names they have.
        place: where it stands.
    """
    before = len(place.problems.found)
    head = head_of(document, place)
    here = place.at("correlation")
    body = document["correlation"]
    if not isinstance(body, Mapping):
        here.report("a mapping", body)
        return None
    kind = body.get("type")
    if kind not in KINDS:
        here.at("type").report(f"one of {', '.join(KINDS)}", kind, known=KINDS)
        return None
    rules = _rules(body.get("rules"), names, here.at("rules"))
    bounds, value_field = _condition(kind, body.get("condition"), rules, here.at("condition"))
    correlation = Correlation(
        **head,
        kind=kind,
        rules=rules,
        group_by=_group_by(body.get("group-by"), here.at("group-by")),
        span_ms=_span_ms(body.get("timespan"), here.at("timespan")),
        bounds=bounds,
        value_field=value_field,
        aliases=_aliases(body.get("aliases"), names, here.at("aliases")),
        generate=bool(body.get("generate", False)),
    )
    return correlation if len(place.problems.found) == before else None


def _rules(given: Any, names: Mapping[str, str], place: Place) -> tuple[str, ...]:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not listed:
        place.report("a list of ids or names of rules", given)
        return ()
    for name in listed:
        if name not in names:
            place.report("the id or name of a rule (not of a correlation)", name, known=names)
    return tuple(names[name] for name in listed if name in names)


def _condition(
    kind: str, given: Any, rules: Sequence[str], place: Place
) -> tuple[tuple[tuple[str, int], ...], str]:
    """Return what a number is compared with, and the field whose values are counted."""
    is_temporal = kind.startswith("temporal")
    if given is None and is_temporal:
        return (("gte", len(set(rules)) or 1),), ""
    if kind == "temporal_ordered" or not isinstance(given, Mapping):
        expected = "nothing: all rules, in their order" if is_temporal else "such as {gte: 10}"
        place.report(expected, given)
        return (("gte", 1),), ""
    bounds, field = [], given.get("field", "")
    for name, bound in given.items():
        if name == "field":
            continue
        if name not in OPERATORS:
            place.report(f"one of {', '.join(OPERATORS)}", name, known=OPERATORS)
        elif not isinstance(bound, int) or isinstance(bound, bool) or bound < 0:
            place.at(name).report("a whole number, 0 or more", bound)
        else:
            bounds.append((name, bound))
    if (kind == "value_count") is not (isinstance(field, str) and bool(field)):
        place.at("field").report(
            "the field whose values are counted" if kind == "value_count" else "nothing", field
        )
    if not bounds:
        place.report(f"one of {', '.join(OPERATORS)}", given)
    return tuple(bounds) or (("gte", 1),), str(field)


def _group_by(given: Any, place: Place) -> tuple[str, ...]:
    listed = [given] if isinstance(given, str) else (given or [])
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        place.report("a list of fields", given)
        return ()
    return tuple(listed)


def _span_ms(given: Any, place: Place) -> int:
    found = _SPAN.fullmatch(str(given))
    if found is None or not int(found[1]):
        place.report("a number and one of s, m, h, d, w, M, y, such as 10m", given)
        return 1
    return int(found[1]) * _UNITS_MS[found[2]]


def _aliases(given: Any, names: Mapping[str, str], place: Place) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    if given is None:
        return found
    if not isinstance(given, Mapping):
        place.report("a mapping of fields", given)
        return found
    for field, by_rule in given.items():
        if not isinstance(by_rule, Mapping):
            place.at(field).report("a mapping of rules to fields", by_rule)
            continue
        for rule, name in by_rule.items():
            if rule not in names:
                place.at(field).report("the id or name of a rule", rule, known=names)
            else:
                found.setdefault(str(field), {})[names[rule]] = str(name)
    return found
