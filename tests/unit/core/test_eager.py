"""Coroutines become tasks only if they really wait."""

from __future__ import annotations

import asyncio

import pytest

from bspump.abc.errors import ProcessingError
from bspump.core.eager import Eager, never_waits, run_at_once


class Owner:
    """Owns the tasks, and the errors of what they carry on."""

    def __init__(self):
        self.tasks = []
        self.errors = []
        self.eager = Eager(asyncio.get_running_loop(), self.spawn)

    def spawn(self, coro):
        task = asyncio.get_running_loop().create_task(coro)
        self.tasks.append(task)
        return task

    def start(self, coro):
        return self.eager.start(coro, self.errors.append)

    async def end(self):
        self.eager.close()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def owner():
    made = Owner()
    yield made
    await made.end()


async def test_a_coroutine_that_does_not_wait_is_done_at_once_and_needs_no_task_of_its_own(owner):
    done = []

    async def work(n):
        done.append(n)

    for n in range(100):
        assert owner.start(work(n)) is None
    assert done == list(range(100))
    assert len(owner.tasks) == 1


async def test_a_coroutine_that_waits_is_carried_on_by_a_task(owner):
    done = []

    async def work():
        done.append("begun")
        await asyncio.sleep(0)
        done.append("ended")

    task = owner.start(work())
    assert done == ["begun"]
    await task
    assert done == ["begun", "ended"]


async def test_the_current_task_is_the_one_that_carries_on(owner):
    seen = []

    async def work():
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    before = asyncio.current_task()
    task = owner.start(work())
    assert asyncio.current_task() is before
    await task
    assert seen == [task, task]


async def test_a_timeout_that_began_before_the_first_wait_ends_it(owner):
    seen = []

    async def work():
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            seen.append("timeout")

    await owner.start(work())
    assert seen == ["timeout"]


async def test_an_error_before_the_first_wait_is_raised_and_a_later_one_reported(owner):
    async def work(wait):
        if wait:
            await asyncio.sleep(0)
        raise ValueError(wait)

    with pytest.raises(ValueError, match="False"):
        owner.start(work(wait=False))
    await owner.start(work(wait=True))
    assert [str(error) for error in owner.errors] == ["True"]


async def test_one_that_is_started_by_another_has_a_task_of_its_own(owner):
    seen = []

    async def inner():
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    async def outer():
        task = owner.start(inner())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        await task

    await owner.start(outer())
    assert len(set(seen)) == 2


@pytest.mark.parametrize("soon", [True, False])
async def test_a_cancelled_task_cancels_what_it_carries_on(owner, soon):
    seen = []

    async def work():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cleaned up")

    task = owner.start(work())
    if not soon:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cleaned up"]
    assert owner.errors == []


async def test_a_cancellation_of_what_it_waits_for_is_an_error(owner):
    future = asyncio.get_running_loop().create_future()

    async def work():
        await future

    task = owner.start(work())
    future.cancel()
    await task
    (error,) = owner.errors
    assert isinstance(error, ProcessingError)
    assert isinstance(error.__cause__, asyncio.CancelledError)
    with pytest.raises(ProcessingError):
        owner.start(work())


async def test_what_cannot_be_given_a_task_is_closed_and_the_reason_raised():
    def refuse(coro):
        coro.close()
        raise RuntimeError("it does not run")

    async def work():
        await asyncio.sleep(0)

    coro = work()
    with pytest.raises(RuntimeError, match="it does not run"):
        Eager(asyncio.get_running_loop(), refuse).start(coro, print)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
        await coro


async def test_what_is_no_exception_passes_through_and_leaves_it_usable(owner):
    async def work():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        owner.start(work())

    async def fine():
        await asyncio.sleep(0)

    await owner.start(fine())


def test_only_a_coroutine_without_anything_to_wait_for_never_waits():
    async def never(context, event, depth):
        return None

    async def loops(context, event, depth):
        async for _ in event:
            pass

    async def enters(context, event, depth):
        async with event:
            pass

    def plain(context, event, depth):
        return None

    assert [never_waits(f) for f in (never, loops, enters, plain)] == [True, False, False, False]
    run_at_once(never, 1)({}, 1)


def test_one_that_waits_after_all_is_an_error():
    async def waits(context, event, depth):
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="was not to wait"):
        run_at_once(waits, 1)({}, 1)
