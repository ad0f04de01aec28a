"""What it costs to hold an event against a thousand Sigma rules, looked up and one by one.

The rules are made up, in about the mixture of those that people share: ends of paths with parts of
command lines, numbers of events, keys of the registry, and one in ten is a regular expression that
cannot be looked up. Both ways are checked to have found the same.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Any

from _measure import cpu_ns, heading, in_turns, row

from bspump.sigma import Rule, RuleSet
from bspump.sigma.loading import Loaded
from bspump.sigma.view import Fields, View

RULES = 1_000
EVENTS = 1_000
PROGRAMS = [f"tool{n}" for n in range(300)]
NUMBERS = [1, 3, 1102, 4624, 4625, 4688, 4720, 7045]


def rule(number: int, chance: random.Random) -> dict[str, Any]:
    """Return a rule."""
    program, kind = chance.choice(PROGRAMS), chance.random()
    selection: dict[str, Any]
    if kind < 0.45:
        selection = {
            "Image|endswith": [f"\\{chance.choice(PROGRAMS)}.exe" for _ in range(2)],
            "CommandLine|contains": [f" -{program} ", f"/{number}"],
        }
    elif kind < 0.6:
        words = [f"x{number}", f"y{number}"]
        selection = {"EventID": chance.choice(NUMBERS), "Detail|contains|all": words}
    elif kind < 0.75:
        path = f"HKLM\\Software\\k{number}"
        selection = {"TargetObject|startswith": path, "Details": f"v{number}"}
    elif kind < 0.9:
        selection = {"CommandLine|contains|all": [f"--{number}", program]}
    else:
        selection = {"CommandLine|re": f"-enc\\s+[a-z]{{{number % 20 + 1}}}{number}"}
    detection = {
        "selection": selection,
        "filter": {"User|contains": f"svc{number}"},
        "condition": "selection and not filter",
    }
    return {"title": f"r{number}", "logsource": {"product": "x"}, "detection": detection}


def event(chance: random.Random) -> dict[str, Any]:
    """Return an event of a process that was started."""
    first, second, third = chance.choices(PROGRAMS, k=3)
    numbers = f"/{chance.randrange(2000)} --{chance.randrange(1000)}"
    return {
        "EventID": chance.choice(NUMBERS),
        "Image": f"C:\\Windows\\System32\\{first}.exe",
        "CommandLine": f"{first}.exe -{second} {numbers} {third} some more text here",
        "User": "CORP\\ann",
        "Detail": "nothing",
        "TargetObject": "HKLM\\Software\\other",
        "Details": "v",
    }


def looked_up(rules: RuleSet, events: list[dict[str, Any]], expected: int) -> float:
    """Return what it takes per event to look rules up."""

    def work() -> None:
        assert sum(len(rules.matches(event)) for event in events) == expected

    return cpu_ns(len(events), work)


def one_by_one(rules: list[Rule], events: list[dict[str, Any]], expected: int) -> float:
    """Return what it takes per event to ask each rule."""

    def work() -> None:
        views = (View(Fields({}), event) for event in events)
        assert sum(rule.test(view) for view in views for rule in rules) == expected

    return cpu_ns(len(events), work)


def main() -> None:
    """Measure and print."""
    heading(f"{EVENTS:,} events against {RULES:,} rules")
    chance = random.Random(1)
    rules = Loaded([rule(number, chance) for number in range(RULES)]).rules
    events = [event(chance) for _ in range(EVENTS)]
    anchored = [each for each in rules if each.anchors is not None]
    for name, some in ((f"all {len(rules)}", rules), (f"the {len(anchored)} anchored", anchored)):
        found = RuleSet(some, Fields({}))
        expected = sum(len(found.matches(each)) for each in events)
        runs = {
            "one by one": partial(one_by_one, some, events, expected),
            "looked up": partial(looked_up, found, events, expected),
        }
        took = in_turns(runs, repetitions=3)
        row(f"{name}, one by one", took["one by one"], took["one by one"])
        row(f"{name}, looked up", took["looked up"], took["one by one"], 0.25)


if __name__ == "__main__":
    main()
