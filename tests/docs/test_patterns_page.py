"""The tables of the page on patterns are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bspump.abc.event_time import END_MS
from bspump.pattern import Pattern
from bspump.pattern.machine import Machine

PAGE = Path(__file__).parents[2] / "docs/patterns.md"
ROW = re.compile(r"^\| `(begin\(.+\))` \| `([^`]+)` \| (.+) \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text(encoding="utf-8"))
NAMES = {"begin": Pattern.begin} | {
    letter.upper(): (lambda event, letter=letter: event[0] == letter) for letter in "abc"
}


def test_there_are_tables():
    assert len(ROWS) == PAGE.read_text(encoding="utf-8").count("| `begin") > 15


@pytest.mark.parametrize(("expression", "events", "matches"), ROWS)
def test_a_row_is_true(expression, events, matches):
    machine = Machine(eval(expression, dict(NAMES)))  # noqa: S307 - it is our own page
    work, hits = machine.new(), []
    for second, word in enumerate(events.split()):
        while machine.due_ms(work) <= second * 1000:
            hits += machine.expire(work, machine.due_ms(work))
        if word != "-":
            hits += machine.take(work, second * 1000, word)
    while machine.due_ms(work) < END_MS:
        hits += machine.expire(work, machine.due_ms(work))
    found = [" ".join(each for part in hit.events.values() for each in part) for hit in hits]
    assert found == re.findall(r"`([^`]+)`", matches)
