"""Crashes at every step of a scenario."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from bspump.abc.state import StateStore
from bspump.state import MemoryStateStore

from .harness import Harness
from .virtual_time import VirtualLoop

W = TypeVar("W")


async def crash_everywhere(
    make: Callable[[], W],
    build: Callable[[Harness, W], None],
    check: Callable[[W], None],
    *,
    first: int = 1,
    every: int = 1,
    twice_after: int = 0,
    limit: int = 10_000,
) -> int:
    """Run pipelines again and again, each time with a crash one turn of the loop later.

    After each crash the pipelines are built anew, with the same store, and run to the end of
    their input. What goes wrong is raised with a note that says when the crash was. Only on a
    `VirtualLoop`, where every run is the same.

    Args:
        make: returns what outlives a crash: lists of events, tables.
        build: adds pipelines to a harness that work on it; their input is bounded.
        check: raises where what must hold in the end does not.
        first: turn of the loop at which the first crash comes.
        every: so many turns later comes the next one.
        twice_after: let the second life crash too, after so many turns; 0: do not.
        limit: turns at the most.

    Returns:
        How many turns there are until the end of the input.

    Raises:
        AssertionError: it was not done after `limit` turns.
    """
    for turns in range(first, limit, every):
        world, store = make(), MemoryStateStore()
        try:
            is_done = await _live(store, build, world, turns)
            if twice_after and not is_done:
                await _live(store, build, world, twice_after)
            await _live(store, build, world, None)
            check(world)
        except BaseException as error:
            error.add_note(f"crashed at turn {turns}")
            raise
        if is_done:
            return turns
    raise AssertionError(f"it was not done after {limit} turns")


async def _live(
    store: StateStore, build: Callable[[Harness, W], None], world: W, turns: int | None
) -> bool:
    """Run to the end, or to a crash; tell whether the end was reached."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise TypeError(f"expected a VirtualLoop (see virtual_time), got {loop!r}")
    harness = Harness(store=store)
    build(harness, world)
    async with harness:
        finishing = loop.create_task(harness.finish())
        crash = loop.create_task(loop.turns(turns if turns is not None else 1 << 60))
        await asyncio.wait([finishing, crash], return_when=asyncio.FIRST_COMPLETED)
        is_done = finishing.done()
        for task in [finishing, crash]:
            task.cancel()
        await asyncio.wait([finishing, crash])
        if is_done:
            finishing.result()
        else:
            await harness.crash()
    return is_done
