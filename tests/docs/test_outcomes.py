"""What is recorded of tests is what came of them, and a run notices when it is not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from outcomes import HOLDS, NO_CLAIM, OutcomesPlugin, differences, subjects

from bspump.testing.contracts import SinkContract


def report(outcome, when="call", why=""):
    made = SimpleNamespace(passed=False, failed=False, skipped=False, when=when, longrepr=why)
    setattr(made, outcome, True)
    return made


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([report("passed", "setup"), report("passed"), report("passed", "teardown")], HOLDS),
        ([report("skipped", "setup", f"Skipped: {NO_CLAIM} not idempotent")], NO_CLAIM),
        ([report("skipped", "setup", "Skipped: no server is installed")], None),
        ([report("passed"), report("failed")], None),
        ([report("failed"), report("passed")], None),
        ([report("passed"), report("failed", "teardown")], None),
        # One that is parametrized holds where it applies.
        ([report("skipped", "call", NO_CLAIM), report("passed")], HOLDS),
        ([report("passed"), report("skipped", "call", NO_CLAIM)], HOLDS),
    ],
)
def test_what_came_of_a_test_is_noted(reports, expected):
    plugin = OutcomesPlugin()
    for each in reports:
        plugin._note(("fault Sink", "killed"), each)
    assert plugin._found["fault Sink"].get("killed") == expected


def test_only_what_is_recorded_can_differ():
    known = {"Sink": {"killed": HOLDS}}
    assert (
        differences({"Sink": {"killed": HOLDS, "paused": HOLDS}, "New": {"killed": HOLDS}}, known)
        == []
    )
    assert differences({"Sink": {"killed": NO_CLAIM}}, known) == [
        "Sink: killed: does not apply, but 'holds' is recorded"
    ]


class OfAKit(SinkContract):
    """No test of a sink, as it is not collected."""


def test_tests_of_contracts_and_those_that_are_marked_count(request):
    item = request.node
    assert subjects(item) == []
    item.add_marker(pytest.mark.fault("Sink", "killed"))
    assert subjects(item) == [("fault Sink", "killed")]
    item.own_markers.clear()
    scenario = SimpleNamespace(
        cls=OfAKit,
        originalname="test_every_event_arrives_once",
        name="test_every_event_arrives_once",
        path=item.path,
        iter_markers=lambda _name: iter(()),
    )
    assert subjects(scenario) == [
        ("tests/docs/test_outcomes.py::OfAKit", "every event arrives once")
    ]
