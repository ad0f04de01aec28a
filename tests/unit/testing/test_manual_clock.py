from __future__ import annotations

import asyncio

import pytest

from bspump.testing import ManualClock


async def test_time_stands_still_until_it_is_advanced():
    clock = ManualClock(1000.0)
    assert (clock.time(), clock.monotonic()) == (1000.0, 0.0)
    await clock.advance(2.5)
    assert (clock.time(), clock.monotonic()) == (1002.5, 2.5)


async def test_sleepers_wake_by_their_time_and_then_by_their_turn():
    clock, woken = ManualClock(), []

    async def sleeper(name, seconds):
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        for name, seconds in [("a", 3), ("b", 1), ("c", 3), ("d", 2), ("e", 1)]:
            group.create_task(sleeper(name, seconds))
        await clock.advance(10)
    assert woken == [("b", 1), ("e", 1), ("d", 2), ("a", 3), ("c", 3)]
    assert clock.slept == [3, 1, 3, 2, 1]


async def test_who_goes_to_sleep_again_is_woken_again():
    clock, seen = ManualClock(), []

    async def ticker():
        while True:
            await clock.sleep(1)
            seen.append(clock.monotonic())

    task = asyncio.create_task(ticker())
    await clock.advance(3.5)
    assert seen == [1, 2, 3]
    assert clock.sleeping == 1
    task.cancel()
    await asyncio.wait([task])
    assert clock.sleeping == 0


async def test_a_cancelled_sleeper_disturbs_nobody():
    clock = ManualClock()
    cancelled = asyncio.create_task(clock.sleep(1))
    other = asyncio.create_task(clock.sleep(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    await clock.advance(2)
    assert cancelled.cancelled()
    assert other.done()


async def test_a_jumping_clock_sleeps_without_waiting():
    clock = ManualClock(0.0, jumps=True)
    await clock.sleep(3)
    await clock.sleep(0.5)
    assert (clock.slept, clock.time()) == ([3, 0.5], 3.5)


async def test_sleeps_at_the_same_time_do_not_add_up_on_a_jumping_clock():
    clock = ManualClock(jumps=True)
    await asyncio.gather(clock.sleep(3), clock.sleep(2))
    assert clock.monotonic() == 3


async def test_sleeping_for_nothing_lets_other_tasks_run_once():
    clock, order = ManualClock(), []

    async def other():
        order.append("other")

    task = asyncio.create_task(other())
    await clock.sleep(0)
    order.append("me")
    await task
    assert order == ["other", "me"]


async def test_a_clock_does_not_go_back():
    with pytest.raises(ValueError, match="does not go back"):
        await ManualClock().advance(-1)
