"""What is looked for: a pattern of events, written as an expression."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from bspump.windows.spans import Length, span_ms

Where = Callable[..., Any]
"""A condition: `(event)`, or `(event, match)` with the `Partial` match so far."""

Contiguity = Literal["strict", "relaxed", "any"]
Preference = Literal["all", "greedy", "reluctant"]
Skip = Literal["none", "next", "past_last", "first", "last"]


@dataclass(frozen=True, slots=True)
class Part:
    """Events that have to come: one, or a repetition.

    Args:
        name: of these events, in what is found.
        where: what holds for each of them; `None`: always.
        relation: to the event before: the very next one, the next one for which the condition
            holds, or any for which it holds.
        least: of them.
        most: of them; `None`: any number.
        inner: the relation among them.
        preference: where both more of them and what follows are possible.
        is_optional: there may be none.
    """

    name: str
    where: Where | None
    relation: Contiguity
    least: int = 1
    most: int | None = 1
    inner: Contiguity = "relaxed"
    preference: Preference = "all"
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Absence:
    """Events that must not come.

    Args:
        name: for whoever reads it.
        where: what holds for none of them.
        is_next: only the very next event is meant.
        during_ms: so long after the last event; 0: until the next event of the match, or until
            the time of the whole match is over.
    """

    name: str
    where: Where | None
    is_next: bool = False
    during_ms: int = 0


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of events of one key, in the order of their times.

    ::

        Pattern.begin("small", where=lambda e: e["amount"] < 10)
            .times(2, 5)
            .then("big", where=lambda e, m: e["amount"] > 100 * m.last("small")["amount"])
            .without("confirmed", where=lambda e: e["type"] == "confirmed")
            .within("10m")

    It never changes: each method returns a new one. `times`, `optional`, `greedy` and the like
    are about the part before them. Without `greedy` or `reluctant`, every possible number of
    events makes a match of its own. Methods raise ValueError for what makes no sense.

    Args:
        steps: parts and absences, in their order.
        within_ms: all events of a match are less than so far apart; 0: any time.
        skip: where to go on after a match.
        skip_name: the part to go on from.
    """

    steps: tuple[Part | Absence, ...] = ()
    within_ms: int = 0
    skip: Skip = "none"
    skip_name: str = ""

    @classmethod
    def begin(cls, name: str, where: Where | None = None) -> Pattern:
        """Begin with an event for which `where` holds."""
        return cls()._and(Part(name, where, "relaxed"))

    # What comes next

    def next(self, name: str, where: Where | None = None) -> Pattern:
        """Let the very next event of the key be one for which `where` holds."""
        return self._and(Part(name, where, "strict"))

    def then(self, name: str, where: Where | None = None) -> Pattern:
        """Go on with the next event for which `where` holds; others between are ignored."""
        return self._and(Part(name, where, "relaxed"))

    def then_any(self, name: str, where: Where | None = None) -> Pattern:
        """Go on with any event for which `where` holds: each makes a match of its own."""
        return self._and(Part(name, where, "any"))

    def without(
        self, name: str, where: Where | None = None, during: Length | None = None
    ) -> Pattern:
        """Let no event for which `where` holds come before the next one of the match.

        As the last step: before the time of `within` is over, or so long after the last event as
        `during` says. The match is found then.
        """
        return self._and(Absence(name, where, during_ms=0 if during is None else span_ms(during)))

    def not_next(self, name: str, where: Where | None = None) -> Pattern:
        """Let the very next event not be one for which `where` holds.

        As the last step, the match is found at the next event, or when time is over.
        """
        return self._and(Absence(name, where, is_next=True))

    # How many

    def times(self, least: int, most: int | None = None) -> Pattern:
        """Let there be so many events of the last part: `least`, or `least` to `most`."""
        most = least if most is None else most
        if not 1 <= least <= most:
            raise ValueError(f"expected 1 <= least <= most, got {least} and {most}")
        return self._changed(least=least, most=most)

    def at_least(self, least: int) -> Pattern:
        """Let there be so many events of the last part, or more."""
        if least < 1:
            raise ValueError(f"expected 1 or more, got {least}")
        return self._changed(least=least, most=None)

    def one_or_more(self) -> Pattern:
        """Let there be one event of the last part, or more."""
        return self.at_least(1)

    def optional(self) -> Pattern:
        """Let the last part be missing, or not."""
        return self._changed(is_optional=True)

    def greedy(self) -> Pattern:
        """Take as many events of the last part as come before what follows."""
        return self._changed(preference="greedy")

    def reluctant(self) -> Pattern:
        """Take no more events of the last part as soon as there is what follows."""
        return self._changed(preference="reluctant")

    def consecutive(self) -> Pattern:
        """Let no other event be among those of the last part."""
        return self._changed(inner="strict")

    def combinations(self) -> Pattern:
        """Let events of the last part be left out as well: each choice is a match of its own."""
        return self._changed(inner="any")

    # The match as a whole

    def within(self, span: Length) -> Pattern:
        """Let the events of a match be less than so far apart: seconds, or `10m`."""
        return replace(self, within_ms=span_ms(span))

    def skip_to_next(self) -> Pattern:
        """After a match, go on with the event after its first one."""
        return replace(self, skip="next", skip_name="")

    def skip_past_last(self) -> Pattern:
        """After a match, go on with the event after its last one: matches have none in common."""
        return replace(self, skip="past_last", skip_name="")

    def skip_to_first(self, name: str) -> Pattern:
        """After a match, go on with the first event of a part."""
        return replace(self, skip="first", skip_name=self._named(name))

    def skip_to_last(self, name: str) -> Pattern:
        """After a match, go on with the last event of a part."""
        return replace(self, skip="last", skip_name=self._named(name))

    # What it consists of

    def parts(self) -> list[Part]:
        """Return the parts, without absences."""
        return [step for step in self.steps if isinstance(step, Part)]

    def shape(self) -> list[Any]:
        """Return as plain data what state of it depends on: all but conditions."""
        steps = [
            [s.name, s.relation, s.least, s.most, s.inner, s.preference, s.is_optional]
            if isinstance(s, Part)
            else [s.name, s.is_next, s.during_ms]
            for s in self.steps
        ]
        return [steps, self.within_ms, self.skip, self.skip_name]

    def check(self) -> None:
        """Raise ValueError if it can match nothing, or never be done."""
        parts = self.parts()
        if not parts or all(part.is_optional for part in parts):
            raise ValueError("expected one part at least that is not optional")
        for step in self.steps[:-1]:
            if isinstance(step, Absence) and step.during_ms:
                raise ValueError(f"{step.name!r}: only the last step may say `during`")
        if not self.within_ms:
            self._check_that_it_ends()

    def _check_that_it_ends(self) -> None:
        """Raise ValueError if something is waited for without a limit."""
        for step in reversed(self.steps):
            if isinstance(step, Absence):
                if not step.during_ms:
                    raise ValueError(
                        f"{step.name!r} is absent for how long? Say `within`, or `during` of"
                        " `without`"
                    )
                continue
            if step.preference == "greedy" and (step.is_optional or step.most != step.least):
                raise ValueError(f"{step.name!r} may go on for ever: say `within`")
            if not step.is_optional:
                return

    def _and(self, step: Part | Absence) -> Pattern:
        if not step.name or step.name in {known.name for known in self.steps}:
            raise ValueError(f"expected a name that nothing else has, got {step.name!r}")
        if isinstance(step, Absence) and not self.steps:
            raise ValueError(f"{step.name!r}: a pattern begins with something that comes")
        arguments(step.where)
        return replace(self, steps=(*self.steps, step))

    def _changed(self, **changes: Any) -> Pattern:
        last = self.steps[-1] if self.steps else None
        if not isinstance(last, Part):
            raise ValueError("expected it after a part, not after an absence")  # noqa: TRY004
        return replace(self, steps=(*self.steps[:-1], replace(last, **changes)))

    def _named(self, name: str) -> str:
        names = [part.name for part in self.parts()]
        if name not in names:
            raise ValueError(f"expected one of {', '.join(names)}, got {name!r}")
        return name


def arguments(where: Where | None) -> int:
    """Return how many arguments a condition takes, 1 or 2. Raises ValueError otherwise."""
    if where is None:
        return 1
    try:
        parameters = inspect.signature(where).parameters.values()
    except (TypeError, ValueError):  # Some builtins do not tell.
        return 1
    needed = [
        p for p in parameters if p.kind in _POSITIONAL and p.default is inspect.Parameter.empty
    ]
    if len(needed) not in (1, 2):
        raise ValueError(f"expected a condition (event) or (event, match), got {where!r}")
    return len(needed)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
