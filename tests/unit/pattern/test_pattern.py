"""Patterns as they are written: what they find, shown by letters, and what makes no sense."""

from __future__ import annotations

import pytest

from bspump.abc.event_time import END_MS
from bspump.pattern import Pattern
from bspump.pattern.machine import Machine


def is_a(letter):
    return lambda event: event[0] == letter


A, B, C, D = map(is_a, "abcd")


def found(pattern, text):
    """Return matches as words. Each word of the text is an event, one a second, `-` is none."""
    machine = Machine(pattern)
    work, hits = machine.new(), []
    for second, word in enumerate(text.split()):
        while machine.due_ms(work) <= second * 1000:
            hits += machine.expire(work, machine.due_ms(work))
        if word != "-":
            hits += machine.take(work, second * 1000, word)
    while machine.due_ms(work) < END_MS:
        hits += machine.expire(work, machine.due_ms(work))
    return [" ".join(word for words in hit.events.values() for word in words) for hit in hits]


A_THEN_B = Pattern.begin("a", A).then("b", B)
MANY = Pattern.begin("a", A).one_or_more()


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        # Contiguity
        (Pattern.begin("a", A).next("b", B), "a1 b1 a2 c1 b2", ["a1 b1"]),
        (A_THEN_B, "a1 c1 b1 b2", ["a1 b1"]),
        (A_THEN_B, "a1 a2 b1", ["a1 b1", "a2 b1"]),
        (Pattern.begin("a", A).then_any("b", B), "a1 b1 c1 b2", ["a1 b1", "a1 b2"]),
        (Pattern.begin("x").next("y"), "a1 b1 c1", ["a1 b1", "b1 c1"]),
        # Repetition
        (Pattern.begin("a", A).times(2).next("b", B), "a1 a2 a3 b1", ["a2 a3 b1"]),
        (MANY.next("b", B), "a1 a2 b1", ["a1 a2 b1", "a2 b1"]),
        (MANY.then("b", B), "a1 a2 b1", ["a1 a2 b1", "a1 b1", "a2 b1"]),
        (MANY.greedy().then("b", B), "a1 a2 b1", ["a1 a2 b1", "a2 b1"]),
        (MANY.reluctant().then("b", B), "a1 a2 b1 a3", ["a1 a2 b1", "a1 b1", "a2 b1"]),
        (Pattern.begin("a", A).then("n").times(1, 2).reluctant(), "a1 b1 b2", ["a1 b1"]),
        (Pattern.begin("a", A).times(2, 3), "a1 a2 a3", ["a1 a2", "a1 a2 a3", "a2 a3"]),
        (Pattern.begin("a", A).at_least(2).then("b", B).skip_past_last(),
         "a1 a2 a3 b1 a4 b2", ["a1 a2 a3 b1"]),
        (Pattern.begin("a", A).times(2).consecutive(), "a1 c1 a2 a3", ["a2 a3"]),
        (Pattern.begin("a", A).times(2).combinations(), "a1 a2 a3", ["a1 a2", "a1 a3", "a2 a3"]),
        # Preferences at the end wait for what they prefer.
        (Pattern.begin("a", A).then("b", B).one_or_more().greedy().within(4),
         "a1 b1 b2 c1 b3", ["a1 b1 b2"]),
        (MANY.consecutive().greedy().within(9).skip_past_last(),
         "a1 a2 a3 b1 a4", ["a1 a2 a3", "a4"]),
        # Optional
        (Pattern.begin("a", A).next("b", B).optional().next("c", C),
         "a1 b1 c1 a2 c2", ["a1 b1 c1", "a2 c2"]),
        (Pattern.begin("a", A).optional().then("b", B), "a1 b1", ["a1 b1", "b1"]),
        (Pattern.begin("a", A).then("b", B).optional(), "a1 b1", ["a1", "a1 b1"]),
        # Absence
        (Pattern.begin("a", A).without("c", C).then("b", B), "a1 b1 a2 c1 b2", ["a1 b1"]),
        (Pattern.begin("a", A).not_next("c", C).then("b", B), "a1 d1 c1 b1 a2 c2 b2", ["a1 b1"]),
        (Pattern.begin("a", A).without("b", B).within(3), "a1 - - b1 a2 - b2 a3", ["a1", "a3"]),
        (Pattern.begin("a", A).then("b", B).without("c", C, during=2), "a1 - - b1 - c1", ["a1 b1"]),
        (Pattern.begin("a", A).then("b", B).without("c", C, during=3), "a1 - - b1 - c1", []),
        (Pattern.begin("a", A).not_next("b", B).within(9), "a1 c1 a2 b1 a3", ["a1", "a3"]),
        # Time: its end does not belong to it.
        (A_THEN_B.within(3), "a1 - b1 a2 - - b2", ["a1 b1"]),
        # Skipping
        (MANY.next("b", B).skip_to_next(), "a1 a2 b1", ["a1 a2 b1", "a2 b1"]),
        (MANY.then("b", B).skip_to_next(), "a1 a2 b1", ["a1 a2 b1", "a2 b1"]),
        (MANY.then("b", B).skip_past_last(), "a1 a2 b1 a3 b2", ["a1 a2 b1", "a3 b2"]),
        (Pattern.begin("x").next("a", A).next("b", B).skip_to_first("a"), "c1 a1 b1", ["c1 a1 b1"]),
        (Pattern.begin("a").next("b").next("c").skip_to_last("c"), "a1 a2 a3 a4 a5",
         ["a1 a2 a3", "a3 a4 a5"]),
    ],
)  # fmt: skip
def test_a_pattern_finds(pattern, text, expected):
    assert found(pattern, text) == expected


def test_conditions_see_the_match_so_far():
    rising = (
        Pattern.begin("low", lambda e: e["n"] < 3)
        .then("up", lambda e, m: e["n"] > (m.last("up") or m.first("low"))["n"])
        .times(2)
        .consecutive()
    )
    machine = Machine(rising)
    work = machine.new()
    hits = [
        hit
        for i, n in enumerate([1, 9, 2, 5, 4, 2, 3, 7])
        for hit in machine.take(work, i, {"n": n})
    ]
    assert [[e["n"] for e in hit.events["up"]] for hit in hits] == [[3, 7]]


def test_a_condition_that_raises_changes_nothing():
    def fails(event, match):
        if event == "!":
            raise KeyError("it")
        return event == "b"

    machine = Machine(Pattern.begin("a", lambda e: e == "a").next("b", fails))
    work = machine.new()
    machine.take(work, 0, "a")
    with pytest.raises(KeyError):
        machine.take(work, 1, "!")
    assert [hit.events for hit in machine.take(work, 2, "b")] == [{"a": ["a"], "b": ["b"]}]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: A_THEN_B.then("a"), "expected a name that nothing else has, got 'a'"),
        (lambda: Pattern.begin(""), "expected a name"),
        (lambda: Pattern.begin("a", lambda: True), "expected a condition"),
        (lambda: Pattern.begin("a").times(0), "expected 1 <= least <= most, got 0 and 0"),
        (lambda: Pattern.begin("a").times(3, 2), "got 3 and 2"),
        (lambda: Pattern.begin("a").at_least(0), "expected 1 or more, got 0"),
        (lambda: A_THEN_B.without("c").times(2), "after a part, not after an absence"),
        (lambda: A_THEN_B.within(0), "at least 1 ms"),
        (lambda: A_THEN_B.skip_to_last("c"), "expected one of a, b, got 'c'"),
        (lambda: Pattern().without("c"), "begins with something that comes"),
        (lambda: Pattern().check(), "expected one part at least that is not optional"),
        (lambda: Pattern.begin("a").optional().check(), "expected one part at least"),
        (lambda: A_THEN_B.without("c").check(), "'c' is absent for how long"),
        (lambda: A_THEN_B.without("c").then("d").optional().check(), "'c' is absent for how long"),
        (lambda: A_THEN_B.one_or_more().greedy().check(), "'b' may go on for ever"),
        (
            lambda: A_THEN_B.without("c", during="1m").then("d").check(),
            "'c': only the last step may say `during`",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_pattern_never_changes():
    before = A_THEN_B.shape()
    A_THEN_B.within("1m")
    A_THEN_B.times(2).skip_past_last()
    assert A_THEN_B.shape() == before
