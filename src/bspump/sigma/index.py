"""Many rules at once: those that an event cannot match are not asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .rules import Rule
from .text import GRAM, Anchor
from .view import Fields, View

_LONGEST = 8
"""So many characters of a beginning or an end are looked up; the test looks at the rest."""


class RuleSet:
    """Rules, in their order, by what an event must have to match them.

    Most rules ask for a field that equals something, begins or ends with it, or has it somewhere.
    These are looked up by what an event has there; of parts, by three neighbouring characters that
    few rules have. Only the others, `unanchored` ones, are asked each time.

    Args:
        rules: in the order of their alerts.
        fields: where events have their fields.

    Attributes:
        unanchored: how many rules are asked for every event.
    """

    def __init__(self, rules: Iterable[Rule], fields: Fields) -> None:
        self.rules: Sequence[Rule] = tuple(rules)
        self._fields = fields
        self._exact: dict[str, dict[str, list[int]]] = {}
        self._ends: dict[tuple[str, str, int], dict[str, list[int]]] = {}
        self._parts: dict[str, dict[str, list[int]]] = {}
        grams = Counter(
            gram
            for rule in self.rules
            for _, (kind, text) in rule.anchors or ()
            if kind == "part"
            for gram in grams_of(text)
        )
        always: list[int] = []
        for number, rule in enumerate(self.rules):
            if rule.anchors is None:
                always.append(number)
            for field, anchor in rule.anchors or ():
                self._add(field, anchor, number, grams)
        self._always = [(number, self.rules[number].test) for number in always]
        self.unanchored = len(always)

    def __len__(self) -> int:
        return len(self.rules)

    def _add(self, field: str, anchor: Anchor, number: int, grams: Mapping[str, int]) -> None:
        kind, text = anchor
        if kind == "part":
            rarest = min(sorted(grams_of(text)), key=grams.__getitem__)
            self._parts.setdefault(field, {}).setdefault(rarest, []).append(number)
            return
        if kind == "exact":
            self._exact.setdefault(field, {}).setdefault(text, []).append(number)
            return
        part = text[:_LONGEST] if kind == "prefix" else text[-_LONGEST:]
        table = self._ends.setdefault((field, kind, len(part)), {})
        table.setdefault(part, []).append(number)

    def matches(self, event: Any) -> list[Rule]:
        """Return the rules that an event matches, in their order."""
        view = View(self._fields, event)
        found = [number for number, test in self._always if test(view)]
        candidates = set(self._candidates(view))
        if candidates:
            rules = self.rules
            found += [number for number in candidates if rules[number].test(view)]
            found.sort()
        return [self.rules[number] for number in found]

    def is_matched(self, event: Any) -> bool:
        """Tell whether an event matches one of the rules."""
        view = View(self._fields, event)
        rules = self.rules
        return any(rules[number].test(view) for number in self._candidates(view)) or any(
            test(view) for _, test in self._always
        )

    def _candidates(self, view: View) -> Iterator[int]:
        low = view.low
        for field, exact in self._exact.items():
            for value in low[field]:
                if value in exact:
                    yield from exact[value]
        for (field, kind, length), table in self._ends.items():
            for value in low[field]:
                part = value[:length] if kind == "prefix" else value[-length:]
                if part in table:
                    yield from table[part]
        for field, table in self._parts.items():
            for value in low[field]:
                for gram in grams_of(value) & table.keys():
                    yield from table[gram]


def grams_of(text: str) -> set[str]:
    """Return all that stands together in a text, `GRAM` characters at a time."""
    return {text[i : i + GRAM] for i in range(len(text) - GRAM + 1)}
