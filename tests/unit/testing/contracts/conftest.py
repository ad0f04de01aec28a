"""Runs single tests of a contract on components that are broken on purpose."""

from __future__ import annotations

import inspect

import pytest

from bspump.testing import run_virtual

_SKIPPED = pytest.skip.Exception


def tests_of(contract):
    """Return the names of the tests of a contract."""
    return {name for name in dir(contract) if name.startswith("test_")}


def outcome_of(contract, test, target):
    """Run one test of `contract` on `target`; return `passed`, `skipped` or the failure."""

    async def run():
        result = getattr(contract(), test)(target)
        if inspect.isawaitable(result):
            await result

    try:
        run_virtual(run())
    except _SKIPPED as error:
        return "skipped" if str(error).startswith("does not apply: ") else error
    except Exception as error:  # noqa: BLE001 - that it fails is what is tested
        return error
    return "passed"


@pytest.fixture
def outcome():
    return outcome_of


@pytest.fixture
def names():
    return tests_of
