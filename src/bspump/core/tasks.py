"""Tasks that have an owner, and waiting for the code of others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from bspump.abc.errors import ProcessingError
from bspump.abc.host import Application

T = TypeVar("T")
Guard = Callable[[Coroutine[Any, Any, Any]], Coroutine[Any, Any, Any]]


def cancelled(cause: asyncio.CancelledError) -> ProcessingError:
    """Return the error that a cancellation is which nobody asked for."""
    error = ProcessingError("it was cancelled by something that it waited for")
    error.__cause__ = cause
    return error


async def unless_cancelled(work: Coroutine[Any, Any, T]) -> T:
    """Wait for `work`; a cancellation that nobody asked for is an error like any other.

    Whoever waits for a future that somebody else cancels sees a `CancelledError`, too. Let
    through, it would end the task that waits without a word.

    Raises:
        ProcessingError: it raised `CancelledError`, and the current task is not to be cancelled.
    """
    try:
        return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise cancelled(error) from error


async def end_tasks(
    tasks: Collection[asyncio.Task[Any]], within_s: float
) -> list[asyncio.Task[Any]]:
    """Cancel `tasks` but the current one, also those that come meanwhile, and wait for them.

    Returns:
        Those that do not end.
    """
    loop, current = asyncio.get_running_loop(), asyncio.current_task()
    deadline_s = loop.time() + within_s
    while waiting := [task for task in tasks if not task.done() and task is not current]:
        for task in waiting:
            task.cancel()
        left_s = deadline_s - loop.time()
        if left_s <= 0:
            return waiting
        await asyncio.wait(waiting, timeout=left_s)
    return []


class Tasks:
    """Tasks of the application that one of its parts owns, and ends.

    Args:
        app: the application, which logs what they raise.
        name: of the owner, before the name of each task.
    """

    def __init__(self, app: Application, name: str) -> None:
        self._app, self._name = app, name
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(
        self, work: Coroutine[Any, Any, Any], inner: Coroutine[Any, Any, Any], name: str
    ) -> asyncio.Task[Any]:
        """Run `work`, which waits for `inner`."""
        task = self._app.spawn(work, name=f"{self._name}: {name}")
        self._tasks.add(task)

        def ended(task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            # A task that is cancelled before it has begun never gets to its coroutine.
            inner.close()

        task.add_done_callback(ended)
        return task

    def add(self, task: asyncio.Task[Any]) -> None:
        """Own a task that was made elsewhere, too."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self, within_s: float) -> list[asyncio.Task[Any]]:
        """Cancel all but the current one, wait for them, and return those that do not end."""
        return await end_tasks(self._tasks, within_s)


class Early:
    """Tasks that wait until something begins.

    Args:
        app: the application, which owns them meanwhile.
        name: of what begins, before the name of each task.
    """

    def __init__(self, app: Application, name: str) -> None:
        self._app, self._name = app, name
        self._tasks: set[asyncio.Task[Any]] = set()
        self._begun: asyncio.Future[Guard] | None = None

    def spawn(self, coro: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run `coro` in a task, which waits for `begin` first."""
        if self._begun is None:
            self._begun = self._app.Loop.create_future()
        task = self._app.spawn(self._wait(self._begun, coro), name=f"{self._name}: {name}")
        # A task that is cancelled before its time never gets to its coroutine.
        task.add_done_callback(lambda _: coro.close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _wait(self, begun: asyncio.Future[Guard], coro: Coroutine[Any, Any, Any]) -> Any:
        guard = await asyncio.shield(begun)
        return await guard(coro)

    def begin(self, guard: Guard) -> set[asyncio.Task[Any]]:
        """Let them run, each in the care of `guard`, and return them."""
        tasks, self._tasks = self._tasks, set()
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.set_result(guard)
        return tasks

    def cancel(self) -> None:
        """Give them up."""
        for task in list(self._tasks):
            task.cancel()
