"""What holds for all tests: hypothesis without deadlines, no silent skip in CI, outcomes."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings
from outcomes import OutcomesPlugin

IN_CI = os.environ.get("CI") == "true"

# A shared machine may be slow at any moment. In CI the examples are the same in every run, so a
# change is not turned away for what it did not touch; runs at home look for new ones.
settings.register_profile("bspump", deadline=None, derandomize=IN_CI, print_blob=not IN_CI)
settings.load_profile("bspump")


def pytest_configure(config: pytest.Config) -> None:
    """Compare what comes of the tests of parts with what is recorded."""
    config.addinivalue_line("markers", "fault(part, fault): what the part survives, for the pages.")
    is_worker = hasattr(config, "workerinput")
    if not is_worker and not config.getoption("numprocesses", None):
        # Of several processes none sees all that was found.
        config.pluginmanager.register(OutcomesPlugin(), "outcomes")


NOT_APPLICABLE = "does not apply:"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why `report` was skipped, without file and line."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, turn the skip of an integration test into a failure: its server must be there.

    A skip whose reason begins with `does not apply:` stays one: the component does not claim what
    the test is about.
    """
    report = yield
    missing = IN_CI and report.skipped and not hasattr(report, "wasxfail")
    if missing and item.get_closest_marker("integration") is not None:
        reason = _reason(report)
        if not reason.startswith(NOT_APPLICABLE):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} must not be skipped in CI: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI, turn the skip of a whole module into an error: all packages must be there."""
    report = yield
    if IN_CI and report.skipped:
        reason = _reason(report)
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} must not be skipped in CI: {reason}"
    return report
