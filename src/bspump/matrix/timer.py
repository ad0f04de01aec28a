"""Something that is done again and again while an application runs."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bspump.abc.host import Application


LEAST_PERIOD_S = 0.001


class Timer:
    """Calls a function or a coroutine function again and again, in a task of the application.

    Calls that a busy loop has missed are left out. What the function raises ends it and is
    logged.

    Args:
        name: of the task.
    """

    def __init__(self, app: Application, call: Callable[[], Any], *, name: str) -> None:
        self._app, self._call, self._name = app, call, name
        self._task: asyncio.Task[Any] | None = None

    def is_started(self) -> bool:
        """Tell whether it is running."""
        return self._task is not None and not self._task.done()

    def start(self, period_s: float) -> None:
        """Call every `period_s`, a millisecond or more; one that is running is left alone."""
        period_s = max(LEAST_PERIOD_S, period_s)
        if not self.is_started():
            self._task = self._app.spawn(self._run(period_s), name=self._name)

    def stop(self) -> None:
        """Call no more. Twice is fine."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, period_s: float) -> None:
        clock = self._app.Clock
        due_at = clock.monotonic() + period_s
        while True:
            await clock.sleep(max(0.0, due_at - clock.monotonic()))
            result = self._call()
            if inspect.isawaitable(result):
                await result
            missed = (clock.monotonic() - due_at) // period_s
            due_at += period_s * (1 + max(0, missed))
