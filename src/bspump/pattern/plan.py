"""Which event may come after which: the tables that follow from a pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .pattern import Absence, Part, Pattern, Where, arguments

START = -1
"""In place of a part, before the first event."""


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """What is asked of an event.

    Args:
        where: what was written; `None`: everything will do.
        sees_match: it takes the match so far, too.
    """

    where: Where | None
    sees_match: bool

    @classmethod
    def of(cls, where: Where | None) -> Condition:
        """Return the condition that was written as `where`."""
        return cls(where, arguments(where) == 2)


@dataclass(frozen=True, slots=True)
class Ban:
    """An absence, where it applies.

    Args:
        condition: of the events that must not come.
        absence: as it was written.
    """

    condition: Condition
    absence: Absence


class Plan:
    """A pattern as tables. Parts have numbers; the number after the last one is the end.

    From a part one can go on to the same one again, to later ones, and to the end: its *targets*.

    Attributes:
        parts: of the pattern.
        end: the number after the last part.
        conditions: one for each part.
        sees_match: at least one of all conditions takes the match so far.
        losers: by part and target, what is ruled out where there is an event for this target.
        bans: by part and later target, what must not come between.
        starts: targets of the first event.
        calm: parts after which an event changes nothing that meets no condition.
    """

    def __init__(self, pattern: Pattern) -> None:
        self._steps = pattern.steps
        self.parts = pattern.parts()
        self.end = len(self.parts)
        self.conditions = [Condition.of(part.where) for part in self.parts]
        self.sees_match = any(arguments(step.where) == 2 for step in pattern.steps)
        targets = range(self.end + 1)
        self.losers = {
            part: {
                target: frozenset(other for other in targets if self._beats(part, target, other))
                for target in targets
            }
            for part in range(START, self.end)
        }
        self.bans = self._all_bans()
        self.starts = [target for target in self.targets(START, 0) if target != self.end]
        self.calm = frozenset(part for part in range(self.end) if self._is_calm(part))

    def _is_calm(self, part: int) -> bool:
        later = range(part + 1, self.end + 1)
        is_strict = "strict" in [self.relation(part, target) for target in range(part, self.end)]
        return not is_strict and not any(self.bans[part, target] for target in later)

    def _all_bans(self) -> dict[tuple[int, int], tuple[Ban, ...]]:
        """Return what must not come on the way from a part to a later one, or to the end."""
        gaps: list[list[Ban]] = [[]]
        for step in self._steps:
            if isinstance(step, Part):
                gaps.append([])
            else:
                gaps[-1].append(Ban(Condition.of(step.where), step))
        # `gaps[p]` is before part `p`; nothing is before the first one.
        return {
            (part, target): tuple(ban for gap in gaps[part + 1 : target + 1] for ban in gap)
            for part in range(self.end)
            for target in range(part + 1, self.end + 1)
        }

    def targets(self, part: int, count: int) -> list[int]:
        """Return where one can go on to after `count` events of a part."""
        found = []
        if part == START:
            least, most = 0, 0
        else:
            least, maybe = self.parts[part].least, self.parts[part].most
            most = count + 1 if maybe is None else maybe
        if count < most:
            found.append(part)
        if count >= least:
            for target in range(part + 1, self.end + 1):
                found.append(target)
                if target == self.end or not self.parts[target].is_optional:
                    break
        return found

    def relation(self, part: int, target: int) -> str:
        """Return how the event of a target must follow the one before."""
        return self.parts[target].inner if part == target else self.parts[target].relation

    def _beats(self, part: int, winner: int, loser: int) -> bool:
        """Tell whether, coming from a part, an event for `winner` rules out `loser`."""
        if winner == loser:
            return False
        first = part if part in (winner, loser) else min(winner, loser)
        preference = self.parts[first].preference if first < self.end else "all"
        return preference == ("greedy" if first == winner else "reluctant")


def is_met(condition: Condition, event: Any, match: Any, memo: dict[Condition, bool]) -> bool:
    """Tell whether an event meets a condition; what does not depend on the match is asked once."""
    if condition.where is None:
        return True
    if condition.sees_match:
        return bool(condition.where(event, match))
    found = memo.get(condition)
    if found is None:
        found = memo[condition] = bool(condition.where(event))
    return found
