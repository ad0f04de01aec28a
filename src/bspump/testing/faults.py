"""Faults on purpose: cancelled at every suspension, slow, refused, disconnected, reply lost."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Self

from bspump.abc.errors import NotConnectedError, TransientError
from bspump.abc.sink import BatchSink
from bspump.abc.source import PullSource

from .virtual_time import where


async def cancel_everywhere(
    make_coroutine: Callable[[], Coroutine[Any, Any, Any]],
    check: Callable[[], Awaitable[None] | None],
    *,
    twice: bool = False,
    limit: int = 1000,
) -> int:
    """Run a coroutine again and again, cancelled one suspension later each time.

    After each run `check()` looks whether what must hold holds, the last time after a run that
    was not cancelled. What goes wrong is raised with a note that says where the coroutine was
    cancelled.

    Args:
        make_coroutine: returns a new coroutine, with a new state of what it works on.
        check: a function or a coroutine function; raises where something is wrong.
        twice: cancel again at the suspension that follows, which is most often in a `finally`.
        limit: suspensions at the most.

    Returns:
        How often the coroutine suspends when it is left alone.

    Raises:
        AssertionError: it returned normally although it was cancelled, or it was not done
            after `limit` suspensions.
    """
    for number in range(1, limit + 1):
        run = _Run(make_coroutine(), number, twice=twice)
        try:
            await run.outcome()
            checked = check()
            if inspect.isawaitable(checked):
                await checked
        except BaseException as error:
            error.add_note(run.place or "the coroutine was not cancelled")
            raise
        if not run.place:
            return number - 1
    raise AssertionError(f"the coroutine still suspends after {limit} suspensions")


class _Run:
    """One run of a coroutine; cancels its own task when it suspends for the `at`-th time."""

    def __init__(self, coro: Coroutine[Any, Any, Any], at: int, *, twice: bool) -> None:
        self.place = ""
        self._coro, self._at, self._left = coro, at, 2 if twice else 1
        self._seen = 0

    async def outcome(self) -> None:
        """Wait for the end of the run; raise what it raises, unless that is the cancellation."""
        task = asyncio.get_running_loop().create_task(self._drive())
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()  # It still runs only where the test itself is cancelled.
        if task.cancelled():
            if not self.place:
                raise AssertionError("the coroutine was cancelled by somebody else")
        else:
            task.result()
            if self.place:
                raise AssertionError("the coroutine returned normally although it was cancelled")

    async def _drive(self) -> None:
        await self

    def __await__(self) -> Generator[Any, None, None]:
        """Pass on what the coroutine waits for and what comes back, and count."""
        error: BaseException | None = None
        while True:
            try:
                awaited = self._coro.send(None) if error is None else self._coro.throw(error)
            except StopIteration:
                return
            self._seen += 1
            if self._seen >= self._at and self._left:
                self._cancel()
            error = None
            try:
                yield awaited
            except BaseException as thrown:  # noqa: BLE001 - it is for the coroutine, not for us
                error = thrown

    def _cancel(self) -> None:
        self._left -= 1
        self.place = self.place or f"cancelled at suspension {self._seen}: {where(self._coro)}"
        task = asyncio.current_task()
        if task is not None:
            # Takes effect on what is about to be awaited, as a cancellation from outside does.
            task.cancel()


class Fault:
    """A method of one object, replaced for a while; made by `slow`, `refuse` and the others.

    It lasts until `undo()`, or to the end of a `with` block.

    Attributes:
        calls: how often the method was called since.
        struck: how many of these calls had the fault.
    """

    def __init__(
        self,
        part: Any,
        method: str | None,
        strike: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]],
        *,
        after: int = 0,
        times: int | None = 1,
    ) -> None:
        self.calls = 0
        self.struck = 0
        self._part, self._method = part, method or _main_method(part)
        self._strike, self._after, self._times = strike, after, times
        self._original = getattr(part, self._method)
        if not inspect.iscoroutinefunction(self._original):
            raise TypeError(f"{part!r}.{self._method}: expected a coroutine function")
        setattr(part, self._method, self._call)

    async def _call(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        original = functools.partial(self._original, *args, **kwargs)
        is_due = self.calls > self._after
        if not is_due or (self._times is not None and self.struck >= self._times):
            return await original()
        self.struck += 1
        return await self._strike(original)

    def undo(self) -> None:
        """Put the method back as it was."""
        vars(self._part).pop(self._method, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()


def slow(
    part: Any,
    seconds: float,
    *,
    method: str | None = None,
    after: int = 0,
    times: int | None = None,
) -> Fault:
    """Let a call of `part` take `seconds` longer, by the clock of the application.

    Args:
        method: which one; `write` of a batch sink, `read` of a pull source, else `process`.
        after: spare so many calls first.
        times: so many calls at the most; `None` is all.
    """

    async def strike(original: Callable[[], Awaitable[Any]]) -> Any:
        await part.App.Clock.sleep(seconds)
        return await original()

    return Fault(part, method, strike, after=after, times=times)


def refuse(
    part: Any,
    error: Exception | None = None,
    *,
    method: str | None = None,
    after: int = 0,
    times: int | None = 1,
) -> Fault:
    """Let a call of `part` raise `error`, by default a `TransientError`, and do nothing.

    Arguments as for `slow`; by default a single call is refused.
    """

    async def strike(_original: Callable[[], Awaitable[Any]]) -> Any:
        raise error or TransientError("refused on purpose")

    return Fault(part, method, strike, after=after, times=times)


def disconnect(
    part: Any, *, method: str | None = None, after: int = 0, times: int | None = 1
) -> Fault:
    """Let a call of `part` raise `NotConnectedError` and do nothing; arguments as for `slow`."""
    error = NotConnectedError("disconnected on purpose")
    return refuse(part, error, method=method, after=after, times=times)


def lose_reply(
    part: Any, *, method: str | None = None, after: int = 0, times: int | None = 1
) -> Fault:
    """Let a call of `part` do its work and raise `NotConnectedError` all the same.

    It is what a crash of the network looks like between the work and the answer: whoever
    repeats the call does it twice. Arguments as for `slow`.
    """

    async def strike(original: Callable[[], Awaitable[Any]]) -> Any:
        await original()
        raise NotConnectedError("the reply was lost on purpose")

    return Fault(part, method, strike, after=after, times=times)


def _main_method(part: Any) -> str:
    if isinstance(part, BatchSink):
        return "write"
    return "read" if isinstance(part, PullSource) else "process"
