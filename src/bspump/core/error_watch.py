"""Watching the error budget of a pipeline while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .accounts import Accounts
from .error_budget import ErrorBudget

if TYPE_CHECKING:
    from .pipeline import Pipeline


class ErrorWatch:
    """Counts the events of a pipeline that failed for good, if it has an error budget.

    It decides outside of the chain, where the counts are exact. Without a budget it does nothing.

    Args:
        exceeded: called with how much is too much.
    """

    def __init__(
        self, pipeline: Pipeline, accounts: Accounts, exceeded: Callable[[str], None]
    ) -> None:
        self._pipeline, self._accounts, self._exceeded = pipeline, accounts, exceeded
        options = pipeline.Options.error_budget
        self._budget = ErrorBudget(options) if options.percent > 0 else None
        self._failed = 0
        self._is_scheduled = False
        if self._budget is not None:
            self._look()
            pipeline.App.PubSub.subscribe("Application.tick!", self._look)

    def failed(self) -> None:
        """Take note that an event has failed for good."""
        self._failed += 1
        if self._budget is not None and not self._is_scheduled:
            self._is_scheduled = True
            self._pipeline.Loop.call_soon(self._judge)

    def reset(self) -> None:
        """Begin anew."""
        if self._budget is not None:
            self._budget.reset()
            self._look()

    def _look(self, *_: Any) -> None:
        if self._budget is not None:
            self._budget.look(self._pipeline.Clock.monotonic(), self._entered(), self._failed)

    def _judge(self) -> None:
        self._is_scheduled = False
        if self._budget is None:
            return
        excess = self._budget.excess(
            self._pipeline.Clock.monotonic(), self._entered(), self._failed
        )
        if excess is not None:
            self._exceeded(excess)

    def _entered(self) -> int:
        self._accounts.collect()
        return int(self._accounts.counter.values["event.in"])
