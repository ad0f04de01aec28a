"""A program that crashes between two steps of a checkpoint, and starts again."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any

from bspump.state import MemoryStateStore
from bspump.testing import MemorySource
from bspump.testing.harness import Harness

STEPS = ("written", "staged", "committed", "promoted")
"""After what it crashes: events were written, the epoch was staged, the sink has committed it,
the store has taken it over."""

NEVER = ("--set", "[checkpoint] interval=1000")
"""Checkpoints are taken when the test says so."""


async def crash_after(
    step: str, make_sink: Callable[[Any, Any], Any], events: Sequence[Any], cut: Callable[[], Any]
) -> Harness:
    """Write half of `events` in an epoch, crash in the one of the other half; then write all.

    Args:
        step: one of `STEPS`.
        make_sink: makes the sink, given the application and the pipeline.
        events: what is read, by a source that reads on from the checkpoint.
        cut: breaks the connections that a process takes with it when it dies.

    Returns:
        The harness of the second life, when it has ended.
    """
    store, feed = MemoryStateStore(), list(events[: len(events) // 2])
    async with Harness(NEVER, store=store) as harness:
        pipeline = harness.chain(functools.partial(_source, feed), functools.partial(make_sink))
        (source,) = pipeline.Sources
        await _passed(source, len(feed))
        await pipeline.checkpoint()
        source.send(events[len(feed) :])
        await _passed(source, len(events))
        await pipeline.flush()
        if step != "written":
            sink = next(iter(pipeline.iter_processors()))
            reached = _stop_at(step, sink, store)
            checkpoint = harness.app.spawn(pipeline.checkpoint(), name="a checkpoint")
            async with asyncio.timeout(20):
                await reached.wait()
            checkpoint.cancel()
        await harness.crash()
    vars(store).pop("promote", None)
    cut()
    async with Harness(NEVER, store=store) as harness:
        pipeline = harness.chain(functools.partial(_source, feed), functools.partial(make_sink))
        (source,) = pipeline.Sources
        source.end()
        await harness.finish()
    return harness


async def write(harness: Harness, events: Sequence[Any]) -> None:
    """Send events, and wait until the sink has written them, or has set them aside."""
    target = harness.counts()["event.in"] + len(events)
    harness.send(events)
    async with asyncio.timeout(20):
        while harness.counts()["event.in"] < target:
            await harness.app.Clock.sleep(0.01)
    await harness.pipelines[0].flush()


def _source(feed: list[Any], app: Any, pipeline: Any) -> MemorySource:
    return MemorySource(app, pipeline, feed, is_endless=True, chunk_size=7)


async def _passed(source: MemorySource, count: int) -> None:
    async with asyncio.timeout(20):
        while source.Position != count:
            await source.App.Clock.sleep(0.01)


def _stop_at(step: str, sink: Any, store: Any) -> asyncio.Event:
    """Let nothing happen after `step`; return what tells when that is."""
    reached = asyncio.Event()
    part, name = (store, "promote") if step == "promoted" else (sink, "commit")
    original = getattr(part, name)

    async def stopped(*args: Any) -> None:
        if step != "staged":
            await original(*args)
        reached.set()
        await asyncio.Event().wait()

    setattr(part, name, stopped)
    return reached
