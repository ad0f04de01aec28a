"""Waiting for something that happens outside of the test: a server, a file, another process."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bspump.core.clock import SystemClock

R = TypeVar("R")


async def eventually(
    condition: Callable[[], R | Awaitable[R]], within_s: float = 5.0, every_s: float = 0.01
) -> R:
    """Ask `condition` again and again until its answer is true, and return that answer.

    Not yet is also: it raises `AssertionError`. So a condition may be a function of asserts that
    returns True, and the last of its complaints is what the test shows.

    Args:
        condition: a function or a coroutine function, without arguments.
        within_s: give up after so many seconds of the loop's time.
        every_s: wait so long before asking again.

    Raises:
        TimeoutError: its answer was never true; the message has the last one.
        AssertionError: the last that it raised.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    sleep = SystemClock().sleep
    while True:
        complaint: AssertionError | None = None
        answer = None
        try:
            asked = condition()
            answer = await asked if inspect.isawaitable(asked) else asked
        except AssertionError as error:
            complaint = error
        if complaint is None and answer:
            return answer
        if loop.time() >= deadline_s:
            if complaint is not None:
                raise complaint
            name = getattr(condition, "__qualname__", repr(condition))
            raise TimeoutError(f"{name} was not true within {within_s} s; its answer: {answer!r}")
        await sleep(every_s)
