"""What the contracts have in common."""

# ruff: noqa: S101 - a contract asserts

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, NoReturn, TypeVar

from bspump.abc.errors import ConfigErrors
from bspump.core.pipeline import Pipeline
from bspump.testing.harness import Harness

T = TypeVar("T")

ODD_TEXTS = (
    "",
    " leading, trailing and double  spaces ",
    "quotes: \" ' ` and a backslash \\",
    "a\ttab, a\r\nline end and a\nnewline",
    "naïve café, Ελληνικά, 日本語, 😀, e\u0301 and \u202eright to left",
    "controls: \x01\x1f\x7f\x85\u2028\u2029\ufeff",
    "{'a': 1}, [1,2], <tag/>, %s, {0}, $HOME, ; DROP TABLE events --",
    "null",
    "1e400",
)
"""Texts that have broken many a format."""

LARGE_TEXT = "0123456789" * 100_000
"""A megabyte of text."""


class Contract(Generic[T]):
    """Tests of what a kind of component promises, for pytest.

    To test a component, subclass its contract, call the subclass `Test…` and give it a fixture
    `target`. Asynchronous tests run wherever pytest-asyncio runs them: on a real loop, or on a
    `VirtualLoop` if that is what the loop factories of the test offer. In its strict mode the
    subclass has to be marked with `pytest.mark.asyncio`.

    A promise that the component does not make is skipped, with a reason that begins with
    `does not apply:`.
    """


def does_not_apply(reason: str) -> NoReturn:
    """Skip the running test: the component does not claim what the test is about."""
    import pytest

    pytest.skip(f"does not apply: {reason}")


async def awaited(answer: Any) -> Any:
    """Return what a function of a target returned, after waiting for it if that is necessary."""
    return await answer if inspect.isawaitable(answer) else answer


def numbered_event(number: int, text: str) -> Any:
    """Return the event that targets use by default."""
    return {"number": number, "text": text}


def maker(make: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return `make` in a form that `Harness.chain` does not take for a processor."""
    return functools.partial(make)


def same(found: Sequence[Any], expected: Sequence[Any], *, is_ordered: bool) -> None:
    """Check that two sequences hold the same, in the same order if that is promised."""
    if is_ordered:
        assert list(found) == list(expected)
    else:
        assert sorted(found, key=repr) == sorted(expected, key=repr)


def all_counted(harness: Harness, entered: int) -> None:
    """Check that every event which entered is counted as delivered, dropped or failed."""
    counts = harness.counts()
    assert counts["event.in"] == entered
    accounted = counts["event.out"] + counts["event.drop"] + counts["event.fail"]
    assert accounted == entered, f"not every event is accounted for: {counts}"


def nothing_logged(harness: Harness) -> None:
    """Check that normal operation left no line in the log."""
    lines = [f"{r.name}: {r.getMessage()}" for r in harness.logs if r.levelno >= logging.INFO]
    assert lines == []


@asynccontextmanager
async def bare(make: Callable[[Any, Any], Any]) -> AsyncIterator[Any]:
    """Yield a component of a pipeline that does not run: the test drives it alone."""
    async with Harness() as harness:
        yield made_in(harness, make)


def made_in(harness: Harness, make: Callable[[Any, Any], Any]) -> Any:
    """Return a component of a pipeline of its own, which does not run."""
    component = make(harness.app, Pipeline(harness.app, "Bare"))
    if harness.app.Config.problems:
        raise ConfigErrors(harness.app.Config.problems)
    return component
