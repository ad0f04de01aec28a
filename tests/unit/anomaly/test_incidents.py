"""What belongs together is one incident: when it opens, goes on and closes.

In the drawings each character is one second of one key: `.` is normal, `-` lies between the two
thresholds, `#` is beyond both.
"""

from __future__ import annotations

import pytest

from bspump.anomaly import Score
from bspump.anomaly.incidents import Finding, Incidents, Rules

ENTER, LEAVE = 3.0, 2.0
SCORES = {".": 0.5, "-": 2.5, "#": 5.0}


def finding(key, at_s, score):
    return Finding(key, score * 10, Score(score, 0.0, 1.0, "it is {}", (score,)), at_s * 1000)


def seen(drawing, **rules):
    """Return what is reported, as (second, state)."""
    incidents = Incidents(Rules(**rules))
    reported = []
    for at_s, mark in enumerate(drawing):
        alerts = incidents.advance(at_s * 1000)
        alerts += incidents.note("a", finding("a", at_s, SCORES[mark]), ENTER, LEAVE)
        reported += [(at_s, alert["state"]) for alert in alerts]
    return reported


@pytest.mark.parametrize(
    ("drawing", "rules", "expected"),
    [
        ("......", {}, []),
        # Between the thresholds nothing begins, and nothing ends.
        ("..--..", {}, []),
        (".#--..", {}, [(1, "open"), (4, "closed")]),
        (".#-#-.", {}, [(1, "open"), (5, "closed")]),
        (".#.#..", {}, [(1, "open"), (2, "closed"), (3, "open"), (4, "closed")]),
        # So many anomalies without a break.
        (".##.##..", {"min_events": 3}, []),
        (".##.##..", {"min_events": 3, "cool_down_ms": 4000}, []),
        (".##-##..", {"min_events": 3}, [(3, "open"), (6, "closed")]),
        (".##.###.", {"min_duration_ms": 2000}, [(6, "open"), (7, "closed")]),
        # Quiet for so long.
        (".#.#..#......", {"cool_down_ms": 4000}, [(1, "open"), (10, "closed")]),
        (
            ".#....#.....",
            {"cool_down_ms": 4000},
            [(1, "open"), (5, "closed"), (6, "open"), (10, "closed")],
        ),
        # Again and again.
        (
            ".######.",
            {"repeat_ms": 2000},
            [(1, "open"), (3, "ongoing"), (5, "ongoing"), (7, "closed")],
        ),
    ],
)
def test_an_incident_opens_and_closes_by_the_rules(drawing, rules, expected):
    assert seen(drawing, **rules) == expected


def test_an_alert_tells_about_the_strangest_observation():
    incidents = Incidents(Rules())
    (opened,) = incidents.note("a", finding("a", 1, 4.0), ENTER, LEAVE)
    assert incidents.note("a", finding("a", 2, 9.0), ENTER, LEAVE) == []
    assert incidents.note("a", finding("a", 3, 5.0), ENTER, LEAVE) == []
    (closed,) = incidents.note("a", finding("a", 4, 0.0), ENTER, LEAVE)
    assert opened == {
        "incident": 1,
        "state": "open",
        "reason": "",
        "group": "a",
        "keys": ["a"],
        "since_ms": 1000,
        "last_ms": 1000,
        "duration_ms": 0,
        "count": 1,
        "key": "a",
        "at_ms": 1000,
        "value": 40.0,
        "score": 4.0,
        "expected_low": 0.0,
        "expected_high": 1.0,
        "explanation": "it is 4.0",
    }
    assert closed == opened | {
        "state": "closed",
        "reason": "back to normal",
        "last_ms": 3000,
        "duration_ms": 2000,
        "count": 3,
        "at_ms": 2000,
        "value": 90.0,
        "score": 9.0,
        "explanation": "it is 9.0",
    }


def test_many_keys_of_a_group_are_one_incident():
    incidents = Incidents(Rules())
    alerts = []
    for at_s in range(10):
        for key in range(100):
            alerts += incidents.note("all", finding(key, at_s, 5.0), ENTER, LEAVE)
    assert [alert["state"] for alert in alerts] == ["open"]
    alerts = []
    for key in range(100):
        alerts += incidents.note("all", finding(key, 10, 0.0), ENTER, LEAVE)
    assert [(alert["state"], alert["count"]) for alert in alerts] == [("closed", 1000)]
    assert alerts[0]["keys"] == list(range(20))


def test_a_key_that_falls_silent_is_closed_by_the_time_of_others():
    incidents = Incidents(Rules(cool_down_ms=5000))
    incidents.note("a", finding("a", 1, 5.0), ENTER, LEAVE)
    assert incidents.advance(5999) == []
    (closed,) = incidents.advance(6000)
    assert (closed["state"], closed["last_ms"]) == ("closed", 1000)
    assert not incidents.is_anomalous("a")
    assert list(incidents) == []


def test_what_is_due_together_is_closed_in_its_order():
    incidents = Incidents(Rules(cool_down_ms=5000))
    for key, at_s in (("late", 3), ("first", 1), ("second", 2), ("first", 2)):
        incidents.note(key, finding(key, at_s, 5.0), ENTER, LEAVE)
    assert [alert["group"] for alert in incidents.advance(60_000)] == ["first", "second", "late"]


def test_an_observation_from_the_past_does_not_shorten_an_incident():
    incidents = Incidents(Rules(cool_down_ms=5000))
    incidents.note("a", finding("a", 10, 5.0), ENTER, LEAVE)
    incidents.note("a", finding("a", 2, 5.0), ENTER, LEAVE)
    assert incidents.advance(14_999) == []
    (closed,) = incidents.advance(15_000)
    assert (closed["since_ms"], closed["last_ms"]) == (2000, 10_000)


def test_a_forgotten_key_ends_its_incident():
    incidents = Incidents(Rules())
    incidents.note("a", finding("a", 1, 5.0), ENTER, LEAVE)
    assert incidents.forget("b", reason="gone") == []
    (closed,) = incidents.forget("a", reason="gone")
    assert (closed["state"], closed["reason"]) == ("closed", "gone")


def test_a_key_that_goes_to_another_group_leaves_the_first():
    incidents = Incidents(Rules())
    incidents.note("old", finding("a", 1, 5.0), ENTER, LEAVE)
    alerts = incidents.note("new", finding("a", 2, 5.0), ENTER, LEAVE)
    assert [(alert["group"], alert["state"]) for alert in alerts] == [
        ("old", "closed"),
        ("new", "open"),
    ]


def test_one_incident_more_than_there_may_be_closes_the_oldest():
    incidents = Incidents(Rules(most=2, cool_down_ms=1_000_000))
    alerts = []
    for key in "abc":
        alerts += incidents.note(key, finding(key, 1, 5.0), ENTER, LEAVE)
    assert [(alert["group"], alert["state"]) for alert in alerts] == [
        ("a", "open"),
        ("b", "open"),
        ("a", "closed"),
        ("c", "open"),
    ]
    assert len(incidents.snapshot()["incidents"]) == 2


def test_what_never_opened_is_not_remembered():
    incidents = Incidents(Rules(min_events=2, cool_down_ms=1_000_000))
    for at_s in range(10_000):
        incidents.note("a", finding("a", at_s, 5.0 if at_s % 2 else 0.0), ENTER, LEAVE)
        assert len(incidents._due) < 100
    incidents.note("a", finding("a", 10_000, 5.0), ENTER, LEAVE)
    assert [alert["state"] for alert in incidents.advance(11_000_000)] == ["closed"]


def test_a_snapshot_does_not_change_any_more():
    incidents = Incidents(Rules())
    incidents.note("all", finding("a", 1, 5.0), ENTER, LEAVE)
    kept = incidents.snapshot()
    before = repr(kept)
    restored = Incidents(Rules())
    restored.restore(kept)
    for each in (incidents, restored):
        each.note("all", finding("b", 2, 50.0), ENTER, LEAVE)
    assert repr(kept) == before


def test_none_is_a_key_like_any_other():
    incidents = Incidents(Rules())
    (opened,) = incidents.note(None, finding(None, 1, 5.0), ENTER, LEAVE)
    assert opened["group"] is None
    assert [alert["state"] for alert in incidents.close_all("end")] == ["closed"]
