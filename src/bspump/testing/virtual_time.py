"""An event loop whose time jumps: whatever waits for a timer does not wait at all.

>>> async def patient() -> float:
...     loop = asyncio.get_running_loop()
...     async with asyncio.timeout(7200):
...         await SystemClock().sleep(3600)
...     return loop.time()
>>> run_virtual(patient())
3600.0
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import math
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar, TypeVarTuple, overload

from bspump.abc.clock import Clock
from bspump.core.clock import SystemClock

from .manual_clock import START_S

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")

THREAD_PATIENCE_S: Final = 10.0
"""How long, in real seconds, time stands still for a thread of the loop's executor."""


_TICKS_PER_S: Final = 1_000_000


LIMIT_S: Final = 31 * 86_400.0
"""How much virtual time may pass, unless a test asks for more."""

_TO_END_S = 86_400.0


class StalledError(RuntimeError):
    """What is awaited never comes: nothing can run, or nothing but timers for ages.

    The message lists the tasks and where each of them waits.
    """


class _JumpingSelector(selectors.DefaultSelector):
    """Reports what is ready, and where others would wait lets the loop's time jump."""

    Loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if self.Loop.turn() or ready or (timeout is not None and timeout <= 0):
            return ready
        ready = super().select(self.Loop.patience_s())
        if not ready:
            self.Loop.jump(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop of virtual time, which starts at 0 and moves only when nothing can run.

    Then it jumps to the next timer, in whole microseconds. `asyncio.sleep`, `asyncio.timeout`,
    `call_later` and all that is built of them take no real time, and things happen in the same
    order in each run. Where neither a task nor a timer is left, or when `limit_s` have passed,
    `StalledError` is raised instead of hanging.

    What happens in a thread of the executor (`asyncio.to_thread`, name resolution) is real: time
    stands still until it is done, for ten real seconds at the most.

    Args:
        io_patience_s: for how many real seconds to wait for sockets, pipes, child processes and
            other threads before time jumps. 0, the default, is for tests that use none; where a
            peer answers over a socket, say 0.1.
        limit_s: how much virtual time may pass. Who waits for something that never comes, while
            a clock ticks beside it, would wait for ever.
    """

    def __init__(self, *, io_patience_s: float = 0.0, limit_s: float = LIMIT_S) -> None:
        self._now_s = 0.0
        self._io_patience_s, self._limit_s = io_patience_s, limit_s
        self._threads = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        self._turns_left: dict[asyncio.Future[None], int] = {}
        selector = _JumpingSelector()
        selector.Loop = self
        super().__init__(selector)
        # Below the tick, so that no timer goes off before its time, and large enough to make a
        # difference when it is added to the time of many years.
        self._clock_resolution = 0.5 / _TICKS_PER_S

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now_s

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call `callback` at `when`, in whole microseconds; what is in the future stays there.

        Otherwise who waits for the rest of a time, which is nothing but a rounding error, would
        wait for it again and again, in a time that does not move.
        """
        if when > self._now_s:
            # A thousandth of a tick above a tick is such an error too.
            ticks = math.ceil(when * _TICKS_PER_S - 0.001)
            when = max(ticks, round(self._now_s * _TICKS_PER_S) + 1) / _TICKS_PER_S
        return super().call_at(when, callback, *args, context=context)

    async def idle(self) -> None:
        """Wait until nothing can run any more without time moving on."""
        waiter = self.create_future()
        self._idle.append(waiter)
        await waiter

    async def turns(self, number: int) -> None:
        """Wait until the loop has turned so many times; time moves on where it has to."""
        waiter = self.create_future()
        self._turns_left[waiter] = number
        try:
            await waiter
        finally:
            self._turns_left.pop(waiter, None)

    def turn(self) -> bool:
        """Count a turn; tell whether somebody waited for it."""
        is_due = False
        for waiter in self._turns_left:
            self._turns_left[waiter] -= 1
            if self._turns_left[waiter] <= 0 and not waiter.done():
                waiter.set_result(None)
                is_due = True
        return is_due

    def patience_s(self) -> float:
        """Return for how many real seconds something from outside is worth waiting for now."""
        return THREAD_PATIENCE_S if self._threads else self._io_patience_s

    def jump(self, timeout: float | None) -> None:
        """Go on to the next timer, `timeout` from now, or to whoever waits for `idle()`.

        Raises:
            StalledError: there is neither, or too much time has passed.
        """
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        if timeout is None:
            raise self._stalled("nothing can run any more and no timer is pending")
        self._now_s = round((self._now_s + timeout) * _TICKS_PER_S) / _TICKS_PER_S
        if self._now_s > self._limit_s:
            days = self._now_s / 86_400
            # What is cancelled now may need some time to end.
            self._limit_s = self._now_s + _TO_END_S
            raise self._stalled(f"{days:.1f} days have passed, more than limit_s allows")

    def _stalled(self, what: str) -> StalledError:
        waiting = "\n".join(f"  {_described(task)}" for task in asyncio.all_tasks(self))
        return StalledError(
            f"{what}; these tasks wait:\n{waiting or '  none'}\n"
            "  what to do: end what they wait for; if that comes over a socket or from a thread, "
            "set io_patience_s"
        )

    def run_in_executor(  # type: ignore[override]  # typeshed names the variadics otherwise
        self, executor: Any, func: Callable[..., R], *args: Any
    ) -> asyncio.Future[R]:
        """Run `func` in a thread; time stands still meanwhile."""
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: asyncio.Future[Any]) -> None:
        self._threads -= 1

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait for the threads; they end in real time."""
        self._threads += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._threads -= 1


class VirtualClock(Clock):
    """Shows the time of a loop, and sleeps on it; for applications on a `VirtualLoop`.

    Args:
        loop: whose time it shows.
        start_s: what the wall clock shows at the loop's time 0, Unix seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, start_s: float = START_S) -> None:
        self._loop, self._start_s = loop, start_s
        self._sleep = SystemClock().sleep

    def time(self) -> float:
        return self._start_s + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await self._sleep(seconds)


def run_virtual(
    main: Coroutine[Any, Any, R], *, io_patience_s: float = 0.0, limit_s: float = LIMIT_S
) -> R:
    """Run a coroutine to its end on a `VirtualLoop` of its own, and return its result.

    Raises:
        StalledError: it waits for something that never comes.
    """
    factory = functools.partial(VirtualLoop, io_patience_s=io_patience_s, limit_s=limit_s)
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


@overload
def virtual_time(test: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, R]: ...
@overload
def virtual_time(
    *, io_patience_s: float = ..., limit_s: float = ...
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, R]]: ...
def virtual_time(test: Any = None, /, **arguments: float) -> Any:
    """Decorate an `async def` test so that it runs on a `VirtualLoop`.

    What comes out is a plain function with the same arguments: it works with pytest and its
    fixtures, with `unittest`, and needs no plugin. Asynchronous fixtures live on another loop;
    tests that need some take `VirtualLoop` from the loop factories of pytest-asyncio instead.

    Args:
        test: the coroutine function; without it, a decorator is returned.
        arguments: of the `VirtualLoop`.
    """
    if test is None:
        return functools.partial(virtual_time, **arguments)

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> Any:
        return run_virtual(test(*args, **kwargs), **arguments)

    return run


def _described(task: asyncio.Task[Any]) -> str:
    place = where(task.get_coro())
    return f"{task.get_name()}: {place}" if place else repr(task)


def where(coro: Any) -> str:
    """Return at which line a suspended coroutine waits: `file:line in function`."""
    place = ""
    while coro is not None:
        frame = getattr(coro, "cr_frame", None) or getattr(coro, "gi_frame", None)
        if frame is not None:
            code = frame.f_code
            place = f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
        coro = getattr(coro, "cr_await", None) or getattr(coro, "gi_yieldfrom", None)
    return place
