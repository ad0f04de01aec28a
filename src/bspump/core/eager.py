"""Coroutines that become tasks only if they really wait.

Most coroutines of a pipeline do not wait most of the time, and a task costs twenty times what the
work in them does. So a coroutine is run at once up to its first real wait. Should it get there, a
task that has been kept ready takes over. That task is the current one from the beginning, so what
asks for it (`asyncio.timeout`, client libraries) finds the one that it will live in.
"""

from __future__ import annotations

import asyncio
import dis
import inspect
from asyncio import _enter_task, _leave_task
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from .tasks import cancelled

_WAITING = {"GET_AWAITABLE", "GET_AITER", "GET_ANEXT", "BEFORE_ASYNC_WITH", "SEND"}

Failed = Callable[[Exception], None]


class Eager:
    """Starts coroutines. Use it from the thread of the loop; `close` it at the end.

    Args:
        spawn: runs a coroutine in a task that somebody owns.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._loop, self._spawn = loop, spawn
        self._spare: _Carrier | None = None

    def start(self, coro: Coroutine[Any, Any, Any], failed: Failed) -> asyncio.Task[None] | None:
        """Run `coro` until it ends or waits; return the task that carries on, if one must.

        What it raises before it waits is raised here; later it is given to `failed`. A
        cancellation that nobody asked for, such as that of what it waits for, is an error too.
        """
        # Taken out, for what runs now may start another one.
        carrier, self._spare = self._spare, None
        if carrier is None or carrier.task.done():
            try:
                carrier = _Carrier(self._loop, self._spawn)
            except BaseException:
                coro.close()
                raise
        loop, current = self._loop, asyncio.current_task(self._loop)
        if current is not None:
            _leave_task(loop, current)
        _enter_task(loop, carrier.task)
        waits = False
        try:
            waits_for = coro.send(None)
            waits = True
        except StopIteration:
            return None
        except asyncio.CancelledError as error:
            raise cancelled(error) from error
        finally:
            _leave_task(loop, carrier.task)
            if current is not None:
                _enter_task(loop, current)
            if not waits:
                self._keep(carrier)
        carrier.take(coro, waits_for, failed)
        return carrier.task

    def _keep(self, carrier: _Carrier) -> None:
        if self._spare is None:
            self._spare = carrier
        else:
            carrier.task.cancel()

    def close(self) -> None:
        """Give up the task that is kept ready."""
        if self._spare is not None:
            self._spare.task.cancel()
            self._spare = None


def never_waits(function: Callable[..., Any]) -> bool:
    """Tell whether a coroutine function has nothing in it that could wait.

    >>> async def never(): return 1
    >>> async def maybe(): await never()
    >>> never_waits(never), never_waits(maybe)
    (True, False)
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or not inspect.iscoroutinefunction(function):
        return False
    return not any(step.opname in _WAITING for step in dis.get_instructions(code))


def run_at_once(
    function: Callable[..., Coroutine[Any, Any, Any]], depth: int
) -> Callable[[Any, Any], None]:
    """Return a function of context and event that runs `function`, which never waits."""

    def run(context: Any, event: Any) -> None:
        # Half the price of `send(None)`, which makes an exception to say that it has ended.
        for _ in function(context, event, depth).__await__():
            raise RuntimeError(f"{function!r} was not to wait")

    return run


class _Carrier:
    """A task that waits for a coroutine to carry on."""

    __slots__ = ("_coro", "_failed", "_taken", "_waits_for", "task")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._taken: asyncio.Future[None] = loop.create_future()
        self._coro: Coroutine[Any, Any, Any] | None = None
        self._waits_for: Any = None
        self._failed: Failed | None = None
        self.task = spawn(self._run())
        self.task.add_done_callback(self._ended)

    def _ended(self, _task: asyncio.Task[None]) -> None:
        # A task that is cancelled before its first turn never gets to what it was to carry on.
        if self._coro is not None:
            self._coro.close()

    def take(self, coro: Coroutine[Any, Any, Any], waits_for: Any, failed: Failed) -> None:
        """Carry on `coro`, which waits for `waits_for`."""
        self._coro, self._waits_for, self._failed = coro, waits_for, failed
        if not self._taken.done():
            self._taken.set_result(None)

    async def _run(self) -> None:
        thrown: BaseException | None = None
        try:
            await self._taken
        except asyncio.CancelledError as error:
            if self._coro is None:
                raise
            # It was cancelled between its first wait and now: that is for the coroutine.
            thrown = error
        assert self._coro is not None
        assert self._failed is not None
        try:
            await _Rest(self._coro, self._waits_for, thrown)
        except asyncio.CancelledError as error:
            if self.task.cancelling():
                raise
            self._failed(cancelled(error))
        except Exception as error:  # noqa: BLE001 - whoever started it is its owner
            self._failed(error)


class _Rest:
    """What is left of a coroutine that was begun elsewhere, as something to await."""

    __slots__ = ("_coro", "_thrown", "_waits_for")

    def __init__(
        self, coro: Coroutine[Any, Any, Any], waits_for: Any, thrown: BaseException | None
    ) -> None:
        self._coro, self._waits_for, self._thrown = coro, waits_for, thrown

    def __await__(self) -> Generator[Any, Any, Any]:
        coro, waits_for, thrown = self._coro, self._waits_for, self._thrown
        sent: Any = None
        try:
            while True:
                if thrown is None:
                    try:
                        sent = yield waits_for
                    except GeneratorExit:
                        coro.close()
                        raise
                    except BaseException as error:  # noqa: BLE001 - it is thrown on
                        thrown = error
                if thrown is None:
                    waits_for = coro.send(sent)
                else:
                    to_throw, thrown = thrown, None
                    waits_for = coro.throw(to_throw)
        except StopIteration as end:
            return end.value
