from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest

from bspump.testing import cancel_everywhere, virtual_time


class Account:
    """Moves money in two steps, with and without care."""

    def __init__(self):
        self.balance, self.locked = {"a": 10, "b": 0}, False

    async def careless(self):
        self.balance["a"] -= 5
        await asyncio.sleep(1)
        self.balance["b"] += 5

    async def careful(self):
        await asyncio.sleep(1)
        self.balance["a"] -= 5
        self.balance["b"] += 5
        await asyncio.sleep(0)

    async def unlocks_late(self):
        self.locked = True
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(1)
            self.locked = False


def every_run(method):
    """Return what `cancel_everywhere` needs for a method of a fresh account in each run."""
    accounts = []

    def make():
        accounts.append(Account())
        return getattr(accounts[-1], method)()

    return make, accounts


@virtual_time
async def test_each_suspension_is_cancelled_once_and_the_last_run_not_at_all():
    make, accounts = every_run("careful")
    balances = []
    await cancel_everywhere(make, lambda: balances.append(dict(accounts[-1].balance)))
    assert balances == [{"a": 10, "b": 0}, {"a": 5, "b": 5}, {"a": 5, "b": 5}]


@virtual_time
async def test_the_number_of_suspensions_is_returned():
    assert await cancel_everywhere(every_run("careful")[0], lambda: None) == 2


@virtual_time
async def test_a_broken_invariant_is_found_with_its_place():
    make, accounts = every_run("careless")

    def check():
        assert sum(accounts[-1].balance.values()) == 10

    with pytest.raises(AssertionError) as caught:
        await cancel_everywhere(make, check)
    assert "cancelled at suspension 1: " in caught.value.__notes__[0]
    assert "in sleep" in caught.value.__notes__[0]


@virtual_time
async def test_cleaning_up_that_waits_is_broken_by_a_second_cancellation():
    make, accounts = every_run("unlocks_late")

    def check():
        assert not accounts[-1].locked

    await_in_finally = cancel_everywhere(make, check)
    # Cancelled once, at the first suspension, it still unlocks; at the second it does not.
    with pytest.raises(AssertionError) as once:
        await await_in_finally
    assert "suspension 2" in once.value.__notes__[0]
    with pytest.raises(AssertionError) as caught:
        await cancel_everywhere(make, check, twice=True)
    assert "suspension 1" in caught.value.__notes__[0]


@virtual_time
async def test_taking_no_notice_of_a_cancellation_is_an_error():
    async def deaf():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1)

    with pytest.raises(AssertionError, match="although it was cancelled"):
        await cancel_everywhere(deaf, lambda: None)


@virtual_time
async def test_another_error_than_the_cancellation_is_raised():
    async def translates():
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            raise OSError("oops") from None

    with pytest.raises(OSError, match="oops"):
        await cancel_everywhere(translates, lambda: None)


@virtual_time
async def test_a_check_may_wait():
    seen = []

    async def check():
        await asyncio.sleep(1)
        seen.append(True)

    await cancel_everywhere(every_run("careful")[0], check)
    assert len(seen) == 3


@virtual_time
async def test_a_coroutine_without_end_is_given_up():
    async def endless():
        for _ in itertools.count():
            await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="after 20 suspensions"):
        await cancel_everywhere(endless, lambda: None, limit=20)


@virtual_time
async def test_groups_and_timeouts_work_inside():
    done = []

    async def nested():
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(1))
            group.create_task(asyncio.sleep(2))
        done.append(True)

    assert await cancel_everywhere(nested, lambda: None) >= 1
    assert done == [True]


@virtual_time
async def test_a_coroutine_that_never_waits_is_run_once():
    runs = []

    async def swift():
        runs.append(True)

    assert await cancel_everywhere(swift, lambda: None) == 0
    assert runs == [True]
