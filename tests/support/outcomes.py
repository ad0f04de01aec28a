"""Remembers what came of the tests that parts share, so that pages can tell what really holds.

Two kinds of tests count: those of the contracts of sources and sinks, and those with the marker
`fault(part, fault)`. `tests/outcomes.json` has what came of each. A run compares what came of the
tests that it has run, and fails where that is something else; a test that was skipped, for want of
its server, or was not run says nothing. A run of everything fails, too, where no test is there any
more for what is recorded. With `RECORD_OUTCOMES=1` in the environment a run writes
the file anew, and keeps what it has not run.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests" / "outcomes.json"
KITS = ("SourceContract", "SinkContract", "EpochSinkContract")
EXAMPLES = "tests/examples/"
"""What is in there is not of the library."""

HOLDS, NO_CLAIM = "holds", "does not apply"

Outcomes = Mapping[str, Mapping[str, str]]


def recorded() -> dict[str, dict[str, str]]:
    """Return what is in the file: by test or part, by scenario or fault."""
    if not FILE.exists():
        return {}
    content: dict[str, dict[str, str]] = json.loads(FILE.read_text(encoding="utf-8"))
    return content


def sentence(name: str) -> str:
    """Return what the name of a test says.

    >>> sentence("test_a_lost_reply_loses_nothing")
    'a lost reply loses nothing'
    """
    return name.removeprefix("test_").replace("_", " ")


def subjects(item: pytest.Item) -> list[tuple[str, str]]:
    """Return what a test is about: the class and the scenario, or parts and faults."""
    found = [(f"fault {part}", fault) for part, fault in _faults(item)]
    owner, name = getattr(item, "cls", None), getattr(item, "originalname", item.name)
    if owner is not None and _is_of_kit(owner, name):
        path = item.path.relative_to(ROOT).as_posix()
        if not path.startswith(EXAMPLES):
            found.append((f"{path}::{owner.__name__}", sentence(name)))
    return found


def _faults(item: pytest.Item) -> list[tuple[str, str]]:
    return [(part, fault) for part, fault in (m.args for m in item.iter_markers("fault"))]


def _is_of_kit(owner: type, name: str) -> bool:
    return any(name in vars(each) for each in owner.__mro__ if each.__name__ in KITS)


def differences(found: Outcomes, known: Outcomes) -> list[str]:
    """Return where what came of tests is not what is recorded; new ones are for the pages to miss.

    >>> differences({"Sink": {"killed": "holds"}}, {"Sink": {"killed": "does not apply"}})
    ["Sink: killed: holds, but 'does not apply' is recorded"]
    >>> differences({"New": {"killed": "holds"}}, {})
    []
    """
    return [
        f"{subject}: {scenario}: {outcome}, but {known[subject][scenario]!r} is recorded"
        for subject, outcomes in found.items()
        for scenario, outcome in outcomes.items()
        if known.get(subject, {}).get(scenario, outcome) != outcome
    ]


class OutcomesPlugin:
    """Sees what comes of each test, and compares or writes at the end."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, str]] = defaultdict(dict)
        self._failed: set[tuple[str, str]] = set()
        self._missing: list[str] = []
        self._is_something_skipped = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note whether the tests of a package are left out because it is not installed."""
        self._is_something_skipped |= not report.passed

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Look for what is recorded and has no test, if all tests are there."""
        config, given = session.config, session.config.option
        is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
        if is_whole and not (given.keyword or given.markexpr or self._is_something_skipped):
            there = {subject for item in session.items for subject in subjects(item)}
            self._missing = [
                f"{about}: {scenario}: recorded, but there is no such test"
                for about, outcomes in recorded().items()
                for scenario in outcomes
                if (about, scenario) not in there
            ]

    def _complaints(self) -> list[str]:
        return [*differences(self._found, recorded()), *self._missing]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note what came of a test."""
        report = yield
        for subject in subjects(item):
            self._note(subject, report)
        return report

    def _note(self, subject: tuple[str, str], report: pytest.TestReport) -> None:
        about, scenario = subject
        if report.failed:
            # It fails the run anyway, and is no outcome to be kept.
            self._failed.add(subject)
            self._found[about].pop(scenario, None)
        elif subject in self._failed:
            return
        elif report.passed and report.when == "call":
            self._found[about][scenario] = HOLDS
        elif report.skipped and NO_CLAIM in str(report.longrepr):
            self._found[about].setdefault(scenario, NO_CLAIM)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what was found, or fail where it is not what is recorded."""
        if os.environ.get("RECORD_OUTCOMES") == "1":
            known = recorded()
            for subject, outcomes in self._found.items():
                if outcomes:
                    known[subject] = dict(sorted({**known.get(subject, {}), **outcomes}.items()))
            text = json.dumps(dict(sorted(known.items())), indent=1)
            FILE.write_text(text + "\n", encoding="utf-8")
        elif self._complaints() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where it is not what is recorded."""
        found = self._complaints()
        if found:
            terminalreporter.section("outcomes that are not what tests/outcomes.json has")
            for line in found:
                terminalreporter.line(line)
            terminalreporter.line(
                "Is that as it should be? Then run the same with RECORD_OUTCOMES=1, and afterwards"
                " `PYTHONPATH=tests/support python tests/docs/test_delivery_page.py`."
            )
