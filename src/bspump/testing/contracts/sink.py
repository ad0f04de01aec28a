"""What every sink promises."""

# ruff: noqa: S101 - a contract asserts

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bspump.abc.capabilities import Can
from bspump.abc.errors import NotConnectedError, PartialWriteError
from bspump.abc.sink import Batch, BatchSink, EpochId, EpochSink, Sink
from bspump.testing.faults import cancel_everywhere, lose_reply, refuse
from bspump.testing.harness import Harness

from .base import (
    LARGE_TEXT,
    ODD_TEXTS,
    Contract,
    all_counted,
    awaited,
    bare,
    does_not_apply,
    maker,
    nothing_logged,
    numbered_event,
    same,
)

_SKIP = {"on_error": "skip"}


@dataclass(frozen=True, kw_only=True)
class SinkTarget:
    """A sink to be tested, with a destination that is empty at first.

    Args:
        make: makes the sink, given the application and the pipeline; all of them write to the
            same destination.
        stored: returns the events that the destination holds, as they were given to the sink;
            may be a coroutine function. `None` if that cannot be known.
        event: makes the event of a number and a text.
        poison: an event that the destination will never accept.
        disconnect: cuts the connection of the sink it is given.
        is_ordered: the destination keeps the order.
    """

    make: Callable[[Any, Any], Any]
    stored: Callable[[], Sequence[Any] | Awaitable[Sequence[Any]]] | None
    event: Callable[[int, str], Any] = numbered_event
    poison: Any = None
    disconnect: Callable[[Any], Any] | None = None
    is_ordered: bool = True

    def events(self, count: int, first: int = 0) -> list[Any]:
        """Return so many events that differ."""
        return [self.event(number, f"text {number}") for number in range(first, first + count)]


class SinkContract(Contract[SinkTarget]):
    """What every sink promises. Subclass it and provide the fixture `target`."""

    async def test_every_event_arrives_once(self, target: SinkTarget) -> None:
        events = target.events(2500)
        await _write(target, events)
        await check_stored(target, events)

    async def test_what_was_taken_is_durable_after_a_flush(self, target: SinkTarget) -> None:
        events = target.events(10)
        async with Harness() as harness:
            await _send(harness, target, events)
            await harness.settle()
            await check_stored(target, events)

    async def test_odd_texts_and_a_large_event_arrive_as_they_are(self, target: SinkTarget) -> None:
        events = [target.event(i, text) for i, text in enumerate([*ODD_TEXTS, LARGE_TEXT])]
        await _write(target, events)
        await check_stored(target, events)

    async def test_a_run_without_events_stores_nothing(self, target: SinkTarget) -> None:
        await _write(target, [])
        await check_stored(target, [])

    async def test_a_second_run_adds_to_what_the_first_has_stored(self, target: SinkTarget) -> None:
        first, second = target.events(5), target.events(5, first=5)
        for events in (first, second):
            await _write(target, events)
        await check_stored(target, first + second)

    async def test_an_event_is_left_alone(self, target: SinkTarget) -> None:
        events = target.events(10)
        before = copy.deepcopy(events)
        await _write(target, events)
        assert events == before

    async def test_every_event_is_counted_and_nothing_is_logged(self, target: SinkTarget) -> None:
        async with Harness() as harness:
            await _send(harness, target, target.events(10))
            await harness.settle()
            all_counted(harness, 10)
            assert harness.counts()["event.out"] == 10
            nothing_logged(harness)

    async def test_a_rejected_event_spares_its_neighbours(self, target: SinkTarget) -> None:
        poison = _poison(target)
        before, after = target.events(3), target.events(3, first=3)
        async with Harness() as harness:
            await _send(harness, target, [*before, poison, *after])
            await harness.settle()
            all_counted(harness, 7)
            assert harness.counts()["event.fail"] == 1
            assert [failure.event for failure in harness.errors] == [poison]
        await check_stored(target, before + after)

    async def test_closing_is_possible_at_any_time(self, target: SinkTarget) -> None:
        async with bare(target.make) as sink:
            if isinstance(sink, BatchSink):
                await sink.close()
            await _open(sink)
            await sink.close()
            await sink.close()

    # From here on for batch sinks alone: the engine batches, retries and reconnects for them.

    async def test_a_write_that_has_returned_is_durable(self, target: SinkTarget) -> None:
        async with batch_sink(target) as sink:
            events = target.events(10)
            await sink.write(batch_of(events))
            await commit(sink)
            await check_stored(target, events)

    async def test_an_empty_batch_stores_nothing(self, target: SinkTarget) -> None:
        async with batch_sink(target) as sink:
            await sink.write(batch_of([]))
            await check_stored(target, [])

    async def test_a_partial_failure_names_the_events_at_fault(self, target: SinkTarget) -> None:
        async with batch_sink(target, Can.PARTIAL) as sink:
            events = target.events(4)
            found = await _error_of(
                sink.write(batch_of([*events[:2], _poison(target), *events[2:]]))
            )
            assert isinstance(found, PartialWriteError), f"got {found!r}"
            assert (found.rejected, found.transient) == ([2], [])
            await commit(sink)
            await check_stored(target, events)

    async def test_a_repeated_batch_changes_nothing(self, target: SinkTarget) -> None:
        async with batch_sink(target, Can.IDEMPOTENT) as sink:
            events = target.events(10)
            await sink.write(batch_of(events))
            await sink.write(batch_of(events))
            await commit(sink)
            await check_stored(target, events)

    async def test_a_lost_connection_asks_for_a_new_one(self, target: SinkTarget) -> None:
        async with batch_sink(target) as sink:
            await _disconnect(target, sink)
            found = await _error_of(sink.write(batch_of(target.events(3))))
            assert isinstance(found, NotConnectedError), f"got {found!r}"
            await sink.close()
            await sink.connect()
            await sink.write(batch_of(target.events(3)))
            await commit(sink)
            await _check_holds(target, target.events(3))

    async def test_a_lost_connection_loses_nothing(self, target: SinkTarget) -> None:
        first, second = target.events(3), target.events(3, first=3)
        async with Harness() as harness:
            sink = await _send(harness, target, first)
            await harness.settle()
            await _disconnect(target, sink)
            harness.send(second)
            await harness.settle()
            await _check_holds(target, first + second)

    async def test_a_lost_reply_loses_nothing(self, target: SinkTarget) -> None:
        events = target.events(10)
        async with Harness() as harness:
            sink = await _send(harness, target, [])
            _check_batch_sink(sink)
            with lose_reply(sink):
                harness.send(events)
                await harness.settle()
        if Can.IDEMPOTENT in sink.Capabilities:
            await check_stored(target, events)
        else:
            await _check_holds(target, events)

    async def test_what_is_not_written_is_not_acknowledged(self, target: SinkTarget) -> None:
        async with Harness() as harness:
            sink = await _send(harness, target, [])
            _check_batch_sink(sink)
            source: Any = harness.pipelines[0].Sources[0]
            acknowledged: list[list[int]] = []
            write = sink.write

            async def noted(batch: Batch) -> None:
                acknowledged.append(list(source.Acknowledged))
                await write(batch)

            sink.write = noted
            with refuse(sink, times=2) as fault:
                harness.send(target.events(10))
                await harness.finish()
            assert fault.struck == 2
            assert acknowledged == [[]]
            assert source.Acknowledged == [10]
        await check_stored(target, target.events(10))

    async def test_cancelling_a_write_leaves_it_usable(self, target: SinkTarget) -> None:
        async with batch_sink(target) as sink:
            events = target.events(3)

            async def check() -> None:
                try:
                    await sink.write(batch_of(events))
                except NotConnectedError:
                    await sink.close()
                    await sink.connect()
                    await sink.write(batch_of(events))
                await commit(sink)
                await _check_holds(target, events)

            await cancel_everywhere(lambda: sink.write(batch_of(events)), check)

    async def test_cancelling_a_connect_leaves_it_usable(self, target: SinkTarget) -> None:
        async with batch_sink(target) as sink:
            events = target.events(3)

            async def check() -> None:
                await sink.close()
                await sink.connect()
                await sink.write(batch_of(events))
                await commit(sink)
                await sink.close()
                await _check_holds(target, events)

            await sink.close()
            await cancel_everywhere(sink.connect, check)


async def _send(harness: Harness, target: SinkTarget, events: Sequence[Any]) -> Any:
    """Run a pipeline with the sink, send it events, and return the sink."""
    pipeline = harness.chain(maker(target.make), config=_SKIP)
    harness.send(events)
    sink = next(pipeline.iter_processors())
    if not isinstance(sink, Sink | BatchSink):
        raise TypeError(f"expected that `make` makes a sink, got {sink!r}")
    await harness.idle()
    return sink


async def _write(target: SinkTarget, events: Sequence[Any]) -> None:
    """Run a pipeline with the sink from the first of `events` to its end."""
    async with Harness() as harness:
        await _send(harness, target, events)
        await harness.finish()


@asynccontextmanager
async def batch_sink(target: SinkTarget, claim: Can = Can.NOTHING) -> AsyncIterator[Any]:
    """Yield a batch sink that is connected and that nothing else drives."""
    async with bare(target.make) as sink:
        _check_batch_sink(sink)
        if claim not in sink.Capabilities:
            does_not_apply(f"it does not claim {claim.name}")
        await sink.connect()
        try:
            yield sink
        finally:
            await sink.close()


async def commit(sink: Any, number: int = 1) -> None:
    """End the transaction of a sink that works in epochs; others have confirmed already."""
    if isinstance(sink, EpochSink) and sink.is_transactional():
        await sink.commit(EpochId(sink.Pipeline.lineage(), number), {})


def _check_batch_sink(sink: Any) -> None:
    if not isinstance(sink, BatchSink):
        does_not_apply("it does not write batches")


async def _open(sink: Any) -> None:
    await (sink.connect() if isinstance(sink, BatchSink) else sink.open())


def batch_of(events: Sequence[Any]) -> Batch:
    """Return a batch of events, with empty contexts."""
    return Batch(list(events), [{} for _ in events])


def _poison(target: SinkTarget) -> Any:
    if target.poison is None:
        does_not_apply("its destination accepts every event")
    return target.poison


async def _disconnect(target: SinkTarget, sink: Any) -> None:
    if target.disconnect is None:
        does_not_apply("it has no connection that could be cut")
    await awaited(target.disconnect(sink))


async def _error_of(work: Awaitable[Any]) -> Exception | None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - the caller looks at it
        return error
    return None


async def _stored(target: SinkTarget) -> list[Any]:
    if target.stored is None:
        does_not_apply("what it has stored cannot be known")
    return list(await awaited(target.stored()))


async def check_stored(target: SinkTarget, events: Sequence[Any]) -> None:
    """Check that the destination holds `events`, each once."""
    same(await _stored(target), events, is_ordered=target.is_ordered)


async def _check_holds(target: SinkTarget, events: Sequence[Any]) -> None:
    """Check that the destination holds each of `events` at least once."""
    found = await _stored(target)
    assert [event for event in events if event not in found] == [], "lost"
