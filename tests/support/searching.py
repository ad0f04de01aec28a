"""Patterns, drawn at random, and a search for their matches that remembers nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from hypothesis import assume
from hypothesis import strategies as st

from bspump.abc.event_time import END_MS
from bspump.pattern import Pattern
from bspump.pattern.pattern import Absence, Part, arguments

NEVER = END_MS


class Search:
    """Finds matches by trying out every way through all events, from the words of the page.

    Written without a look at the machine: nothing is remembered from one event to the next.
    """

    def __init__(self, pattern, events):
        self.pattern, self.events = pattern, events
        self.parts = [step for step in pattern.steps if isinstance(step, Part)]
        self.end = len(self.parts)
        self.found = []
        for number in range(len(events)):
            ways = [t for t in self.ways(-1, 0) if t != self.end and self.meets([], t, number)]
            for way in ways:
                if not any(self.beats(-1, other, way) for other in ways):
                    self.follow([(way, number)])

    # What may come where

    def ways(self, part, count):
        found = []
        if part >= 0:
            if self.parts[part].most is None or count < self.parts[part].most:
                found.append(part)
            if count < self.parts[part].least:
                return found
        for later in range(part + 1, self.end + 1):
            found.append(later)
            if later < self.end and not self.parts[later].is_optional:
                break
        return found

    def beats(self, part, one, other):
        if one == other:
            return False
        decisive = part if part in (one, other) else min(one, other)
        wish = self.parts[decisive].preference
        return (wish == "greedy" and decisive == one) or (wish == "reluctant" and decisive == other)

    def bans(self, part, target):
        found, position = [], -1
        for step in self.pattern.steps:
            if isinstance(step, Part):
                position += 1
            elif part <= position < target:
                found.append(step)
        return found

    def meets(self, path, step, number):
        where = (self.parts[step] if isinstance(step, int) else step).where
        event = self.events[number][1]
        if where is None:
            return True
        if arguments(where) == 1:
            return where(event)
        matched = {part.name: [] for part in self.parts}
        for part, each in path:
            matched[self.parts[part].name].append(self.events[each][1])
        return where(event, matched)

    # Times

    def time(self, number):
        return self.events[number][0]

    def closes(self, path):
        return self.time(path[0][1]) + self.pattern.within_ms if self.pattern.within_ms else NEVER

    def horizon(self, path, ban):
        if ban.during_ms:
            return self.time(path[-1][1]) + ban.during_ms
        return self.closes(path)

    def later(self, path):
        last = path[-1][1]
        return [n for n in range(last + 1, len(self.events)) if self.time(n) < self.closes(path)]

    # Ways through the events

    def is_free(self, path, target, until):
        """Nothing that is banned has come before event `until`."""
        part, last = path[-1]
        for ban in self.bans(part, target) if target != part else []:
            for number in range(last + 1, until):
                if self.time(number) >= self.horizon(path, ban) and target == self.end:
                    continue
                if (not ban.is_next or number == last + 1) and self.meets(path, ban, number):
                    return False
        return True

    def can_go(self, path, target, number):
        """The event is the next one of the match, as that of the target."""
        part, last = path[-1]
        if not self.meets(path, target, number) or not self.is_free(path, target, number):
            return False
        step = self.parts[target]
        relation = step.inner if target == part else step.relation
        between = range(last + 1, number)
        if relation == "strict" and between:
            return False
        if relation == "relaxed" and any(self.meets(path, target, n) for n in between):
            return False
        for other in self.ways(part, self.count(path)):
            if not self.beats(part, other, target):
                continue
            if other == self.end:
                moment = self.moment(path)
                if moment is not None and moment < (self.time(number), 1, number):
                    return False
            elif any(self.can_go(path, other, n) for n in (*between, number)):
                return False
        return True

    def count(self, path):
        part, count = path[-1][0], 0
        while count < len(path) and path[-1 - count][0] == part:
            count += 1
        return count

    def follow(self, path):
        part = path[-1][0]
        for target in self.ways(part, self.count(path)):
            if target == self.end:
                moment = self.moment(path)
                if moment is not None:
                    self.found.append((moment, path))
                continue
            for number in self.later(path):
                if self.can_go(path, target, number):
                    self.follow([*path, (target, number)])

    def moment(self, path):
        """When it is a match, as `(time, 0 if time alone decides, event)`; `None` if never."""
        part, last = path[-1]
        bans = self.bans(part, self.end)
        rivals = [t for t in self.ways(part, self.count(path)) if self.beats(part, t, self.end)]
        lasting = [ban for ban in bans if not ban.is_next]
        if lasting:
            deadline = max(self.horizon(path, ban) for ban in bans)
            until = [n for n in range(last + 1, len(self.events)) if self.time(n) < deadline]
            if not self.is_free(path, self.end, last + 1 + len(until)):
                return None
            until = [n for n in until if n in self.later(path)]
            if any(self.can_go(path, rival, n) for rival in rivals for n in until):
                return None
            return deadline, 0, -1
        if not bans and not rivals:
            return self.time(last), 1, last
        for number in self.later(path):
            if not self.is_free(path, self.end, number + 1):
                return None
            if any(self.can_go(path, rival, number) for rival in rivals):
                return None
            if not any(self.is_open(path, rival, number) for rival in rivals):
                return self.time(number), 1, number
        return self.closes(path), 0, -1

    def is_open(self, path, target, after):
        """An event after this one may still be that of the target."""
        part = path[-1][0]
        relation = self.parts[target].inner if target == part else self.parts[target].relation
        return relation != "strict" and self.is_free(path, target, after + 1)

    # What comes out

    def results(self):
        def rank(one):
            numbers = [number for _, number in one[1]]
            return one[0], numbers[0], -len(numbers), numbers

        resume, found = 0, []
        for (at_ms, _, _), path in sorted(self.found, key=rank):
            if path[0][1] >= resume:
                found.append((at_ms, [(self.parts[p].name, n) for p, n in path]))
                resume = max(resume, self.resume(path))
        return found

    def resume(self, path):
        named = [n for p, n in path if self.parts[p].name == self.pattern.skip_name]
        return {
            "none": 0,
            "next": path[0][1] + 1,
            "past_last": path[-1][1] + 1,
            "first": named[0] if named else 0,
            "last": named[-1] if named else 0,
        }[self.pattern.skip]


# What is tried


def is_one_of(letters, event):
    return event["x"] in letters


def is_new(letters, event, match):
    seen = [each["x"] for name in match_names(match) for each in match[name]]
    return event["x"] in letters and seen.count(event["x"]) < 2


def match_names(match):
    return match if isinstance(match, dict) else match._names


LETTERS = st.sampled_from(["a", "b", "ab", "bc", "abc"])
conditions = st.one_of(
    LETTERS.map(lambda letters: partial(is_one_of, letters)),
    LETTERS.map(lambda letters: partial(is_one_of, letters)),
    LETTERS.map(lambda letters: lambda event, match: is_new(letters, event, match)),
)
parts = st.builds(
    Part,
    name=st.just(""),
    where=conditions,
    relation=st.sampled_from(["strict", "relaxed", "relaxed", "any"]),
    least=st.sampled_from([1, 1, 2]),
    most=st.sampled_from([0, 0, 1, None]),
    inner=st.sampled_from(["strict", "relaxed", "any"]),
    preference=st.sampled_from(["all", "greedy", "reluctant"]),
    is_optional=st.sampled_from([False, False, True]),
)
absences = st.builds(
    Absence,
    name=st.just(""),
    where=conditions,
    is_next=st.booleans(),
    during_ms=st.sampled_from([0, 0, 0, 2, 5]),
)


@st.composite
def patterns(draw):
    """Return a pattern that makes sense; `most` was drawn as so many more than the least."""
    drawn = [draw(parts), *draw(st.lists(st.one_of(parts, parts, absences), max_size=3))]
    for number, step in enumerate(drawn):
        values = {"name": f"p{number}"}
        if isinstance(step, Part) and step.most is not None:
            values["most"] = step.least + step.most
        if isinstance(step, Absence) and (step.is_next or number < len(drawn) - 1):
            values["during_ms"] = 0
        drawn[number] = replace(step, **values)
    names = [step.name for step in drawn if isinstance(step, Part)]
    skip = draw(st.sampled_from(["none", "none", "next", "past_last", "first", "last"]))
    pattern = Pattern(
        tuple(drawn),
        draw(st.sampled_from([0, 3, 8, 20])),
        skip,
        draw(st.sampled_from(names)) if skip in ("first", "last") else "",
    )
    try:
        pattern.check()
    except ValueError:
        assume(False)
    return pattern
