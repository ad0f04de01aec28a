"""Streams out of order through windows: in any batches, with checkpoints and crashes anywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

from hypothesis import strategies as st

from bspump.abc.state import PartState
from bspump.state import MemoryStateStore
from bspump.testing import Harness, MemorySink, MemorySource, run_virtual
from bspump.window import EventTime

Event = dict[str, Any]

NEVER = ("--set", "[checkpoint] interval=1000")
"""Checkpoints are taken when the test says so."""


class Heard(NamedTuple):
    """What came out, in its order, and how many events were late."""

    said: list[Event]
    late: int


def streams(
    longest: int = 40, last_ms: int = 300, shortest: int = 0
) -> st.SearchStrategy[list[Event]]:
    """Events with a time, a key, a value or none, and a number in the order in which they come."""
    triples = st.tuples(
        st.integers(0, last_ms),
        st.sampled_from("abc"),
        st.one_of(st.none(), st.integers(-4, 4)),
    )
    return st.lists(triples, min_size=shortest, max_size=longest).map(
        lambda found: [{"at": at, "k": k, "v": v, "id": n} for n, (at, k, v) in enumerate(found, 1)]
    )


def disorder_ms(events: Sequence[Event]) -> int:
    """Return how late the latest of `events` is."""
    newest, found = -(1 << 60), 0
    for event in events:
        newest = max(newest, event["at"])
        found = max(found, newest - event["at"])
    return found


def hear(
    make: Callable[..., Any],
    events: Sequence[Event],
    *,
    lateness_ms: int | None = None,
    batch: int = 100,
    checkpoints: Collection[int] = (),
    crashes: Collection[int] = (),
) -> Heard:
    """Run `events` through windows, to the end.

    Args:
        make: makes the part, given the application and the pipeline; its Id is `Windows`.
        events: what is read.
        lateness_ms: of the event time; as it is said nothing, so that none is late.
        batch: so many are read at once.
        checkpoints: after how many events there is one.
        crashes: after how many events there is one, and right then everything ends.
    """
    lateness_ms = disorder_ms(events) if lateness_ms is None else lateness_ms
    time = partial(
        EventTime,
        time="at",
        config={"lateness": lateness_ms / 1000, "max_skew": 0, "idle": 0},
    )
    return run_virtual(_lives(make, time, list(events), batch, checkpoints, crashes))


async def _lives(
    make: Any,
    time: Any,
    events: list[Event],
    batch: int,
    checkpoints: Collection[int],
    crashes: Collection[int],
) -> Heard:
    store, feed, said, late = MemoryStateStore(), list[Event](), list[Event](), 0
    stops = sorted({n for n in [*checkpoints, *crashes] if n <= len(events)})
    while True:
        source = partial(MemorySource, events=feed, is_endless=True, chunk_size=batch)
        harness = Harness(NEVER, store=store)
        pipeline = harness.chain(source, time, make, partial(MemorySink, events=said))
        part = harness.app.PumpService.locate("Test.Windows")
        _restores_in_another_order(part)
        async with harness:
            has_crashed = False
            while stops and not has_crashed:
                stop = stops.pop(0)
                pipeline.Sources[0].send(events[len(feed) : stop])
                await harness.settle()
                await pipeline.checkpoint()
                has_crashed = stop in crashes
            if has_crashed:
                late += part.explain()["Late"]
                await harness.crash()
                continue
            pipeline.Sources[0].send(events[len(feed) :])
            await harness.finish()
            return Heard(said, late + part.explain()["Late"])


def _restores_in_another_order(part: Any) -> None:
    """Let keyed state come back in an order that says nothing."""
    restore = part.restore

    def restore_backwards(state: PartState) -> None:
        restore(dataclasses.replace(state, keyed=dict(reversed(state.keyed.items()))))

    part.restore = restore_backwards
