"""Readiness: events pass while nothing speaks against it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any


class Gate:
    """Reasons to wait, by depth; events enter a depth while its set of reasons is empty.

    A reason may concern all depths, or only those up to one: what is full at depth 2 holds back
    what comes in, not what is behind it already. The compiled chain looks at the sets, and
    is told when a reason comes, so that it ends before the next event.

    Args:
        flipped: called with True when the last *announced* reason went, with False when the
            first one came.

    Attributes:
        on_open: called whenever a reason was taken back.
        on_wait: called whenever a task begins to wait.
        waiting: the tasks that wait to enter.
    """

    def __init__(self, flipped: Callable[[bool], None]) -> None:
        self._reasons: dict[Hashable, int | None] = {}
        self._announced: set[Hashable] = set()
        self._closed: list[set[Hashable]] = [set()]
        self._opened = asyncio.Event()
        self._opened.set()
        self._flipped = flipped
        self._on_close: Callable[[int], None] = _nothing_at
        self.on_open: Callable[[], None] = _nothing
        self.on_wait: Callable[[], None] = _nothing
        self.waiting: set[asyncio.Task[Any] | None] = set()

    @property
    def announced(self) -> set[Hashable]:
        """The reasons that concern whoever looks at the pipeline; do not change it."""
        return self._announced

    def renew(self, depths: int, on_close: Callable[[int], None]) -> list[set[Hashable]]:
        """Return a new set of reasons for each depth, kept up to date until the next call.

        Args:
            depths: how many.
            on_close: called with the last depth for which there is a new reason.
        """
        self._closed = [set() for _ in range(depths)]
        self._on_close = _nothing_at
        for reason, upto in self._reasons.items():
            self._add(reason, upto)
        self._on_close = on_close
        return self._closed

    def close(self, reason: Hashable, *, upto: int | None = None, announce: bool = False) -> None:
        """Add a reason to wait, before all depths or those up to `upto`."""
        self._reasons[reason] = upto
        self._add(reason, upto)
        if self._closed[0]:
            self._opened.clear()
        if announce and reason not in self._announced:
            self._announced.add(reason)
            if len(self._announced) == 1:
                self._flipped(False)

    def open(self, reason: Hashable, *, quietly: bool = False) -> None:
        """Take a reason back; an unknown one is ignored.

        Args:
            reason: to be taken back.
            quietly: it is for those alone who have been let in before; `on_open` is not called.
        """
        if reason not in self._reasons:
            return
        del self._reasons[reason]
        for reasons in self._closed:
            reasons.discard(reason)
        if not self._closed[0]:
            self._opened.set()
        if reason in self._announced:
            self._announced.discard(reason)
            if not self._announced:
                self._flipped(True)
        if not quietly:
            self.on_open()

    def has(self, reason: Hashable) -> bool:
        """Tell whether `reason` speaks against going on."""
        return reason in self._reasons

    def is_open(self, depth: int = 0) -> bool:
        """Tell whether nothing speaks against entering `depth`."""
        return not self._closed[depth]

    async def wait(self) -> None:
        """Wait until events may enter; they may when this returns."""
        if not self._closed[0]:
            return
        task = asyncio.current_task()
        self.waiting.add(task)
        self.on_wait()
        try:
            while self._closed[0]:
                await self._opened.wait()
        finally:
            self.waiting.discard(task)

    def _add(self, reason: Hashable, upto: int | None) -> None:
        depths = len(self._closed) if upto is None else upto + 1
        for reasons in self._closed[:depths]:
            reasons.add(reason)
        self._on_close(depths - 1)


def _nothing() -> None:
    """Do nothing."""


def _nothing_at(_depth: int) -> None:
    """Do nothing."""
