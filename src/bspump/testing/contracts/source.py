"""What every source promises."""

# ruff: noqa: S101 - a contract asserts

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from bspump.abc.capabilities import Can
from bspump.abc.errors import NotConnectedError
from bspump.abc.source import Chunk, PullSource, Source
from bspump.testing.eventually import eventually
from bspump.testing.faults import cancel_everywhere, slow
from bspump.testing.harness import Harness

from .base import (
    ODD_TEXTS,
    Contract,
    all_counted,
    awaited,
    bare,
    does_not_apply,
    made_in,
    maker,
    nothing_logged,
    numbered_event,
    same,
)

_WITHIN_S = 10.0
_QUIET_S = 0.05
_IDLE_S = 0.001


@dataclass(frozen=True, kw_only=True)
class SourceTarget:
    """A source to be tested, with an input that is empty at first.

    Args:
        make: makes the source, given the application and the pipeline; all of them read the
            same input. One that has triggers must be fired by one of them when it starts.
        write: adds events to the input; may be a coroutine function.
        event: makes the event of a number and a text, as it comes out of the source.
        disconnect: cuts the connection of the source it is given.
        is_live: what is written before the source runs is lost.
    """

    make: Callable[[Any, Any], Any]
    write: Callable[[Sequence[Any]], Any]
    event: Callable[[int, str], Any] = numbered_event
    disconnect: Callable[[Any], Any] | None = None
    is_live: bool = False

    def events(self, count: int, first: int = 0) -> list[Any]:
        """Return so many events that differ."""
        return [self.event(number, f"text {number}") for number in range(first, first + count)]


class SourceContract(Contract[SourceTarget]):
    """What every source promises. Subclass it and provide the fixture `target`."""

    async def test_everything_written_is_read(self, target: SourceTarget) -> None:
        events = target.events(2500)
        async with Harness() as harness:
            source = await _start(harness, target, events)
            await _check_out(harness, source, events)

    async def test_odd_texts_are_read_as_they_were_written(self, target: SourceTarget) -> None:
        events = [target.event(i, text) for i, text in enumerate(ODD_TEXTS)]
        async with Harness() as harness:
            source = await _start(harness, target, events)
            await _check_out(harness, source, events)

    async def test_every_event_is_counted_and_nothing_is_logged(self, target: SourceTarget) -> None:
        async with Harness() as harness:
            source = await _start(harness, target, target.events(10))
            await _check_out(harness, source, target.events(10))
            all_counted(harness, 10)
            nothing_logged(harness)

    async def test_bounded_input_ends(self, target: SourceTarget) -> None:
        async with Harness() as harness:
            source = await _start(harness, target, target.events(10), claim=Can.END)
            await eventually(harness.pipelines[0].is_finished, _WITHIN_S)
            assert source.is_finished()
            same(harness.out(), target.events(10), is_ordered=Can.ORDER in _claims(source))

    async def test_bounded_input_without_events_ends_too(self, target: SourceTarget) -> None:
        async with Harness() as harness:
            await _start(harness, target, [], claim=Can.END)
            await eventually(harness.pipelines[0].is_finished, _WITHIN_S)
            assert harness.out() == []

    async def test_a_full_pipeline_is_spared_and_reading_goes_on_afterwards(
        self, target: SourceTarget
    ) -> None:
        first, second = target.events(10), target.events(250, first=10)
        async with Harness() as harness:
            pipeline = harness.chain(maker(target.make))
            source = _source(harness)
            if Can.END in _claims(source):
                # It would not live to see anything that is written later.
                first = []
            else:
                await _put(target, first)
                await _check_out(harness, source, first)
            pipeline.throttle("full")
            await _put(target, second)
            reads = slow(source, 0.0) if isinstance(source, PullSource) else None
            await harness.app.Clock.sleep(_QUIET_S)
            assert harness.out() == first
            assert reads is None or reads.calls <= 1
            pipeline.throttle("full", False)
            await _check_out(harness, source, first + second)

    async def test_it_reads_on_after_a_stop_and_a_start(self, target: SourceTarget) -> None:
        first, second = target.events(10), target.events(10, first=10)
        async with Harness() as harness:
            source = await _start(harness, target, first)
            if Can.END in _claims(source):
                does_not_apply("bounded input is read in one go")
            pipeline = harness.pipelines[0]
            await _check_out(harness, source, first)
            await pipeline.stop()
            pipeline.start()
            await eventually(pipeline.is_ready, _WITHIN_S)
            await _put(target, second)
            await _check_out(harness, source, first + second)

    async def test_a_lost_connection_loses_nothing(self, target: SourceTarget) -> None:
        first, second = target.events(10), target.events(10, first=10)
        async with Harness() as harness:
            source = await _start(harness, target, first)
            if Can.END in _claims(source):
                does_not_apply("bounded input has been read before it can be cut")
            await _check_out(harness, source, first)
            await _disconnect(target, source)
            await _put(target, second)

            def have_come() -> bool:
                assert [e for e in first + second if e not in harness.out()] == [], "lost"
                return True

            await eventually(have_come, _WITHIN_S)

    async def test_closing_is_possible_at_any_time(self, target: SourceTarget) -> None:
        async with bare(target.make) as source:
            _check_pull_source(source)
            await source.close()
            await source.connect()
            await source.close()
            await source.close()

    # From here on for pull sources alone: the engine loops, reconnects and remembers for them.

    async def test_a_lost_connection_asks_for_a_new_one(self, target: SourceTarget) -> None:
        async with _pull_source(target, target.events(3)) as source:
            await _disconnect(target, source)
            position = await _read_until_cut(source)
            await source.close()
            await source.connect()
            new = target.event(3, "new")
            await _put(target, [new])
            async with asyncio.timeout(_WITHIN_S):
                found: list[Any] = []
                while new not in found:
                    found += (chunk := await source.read(position)).events
                    position = chunk.position

    async def test_a_position_is_plain_data(self, target: SourceTarget) -> None:
        async with _pull_source(target, target.events(10), Can.RESUME) as source:
            chunks = await _chunks(source, None, 10)
            for chunk in chunks:
                assert _stored(chunk.position) == chunk.position

    async def test_reading_is_a_function_of_the_position(self, target: SourceTarget) -> None:
        events = target.events(250)
        async with _pull_source(target, events, Can.RESUME) as source:
            for chunk in await _chunks(source, None, 250):
                rest = 250 - events.index(chunk.events[-1]) - 1
                once = await _read_from(source, chunk.position, rest)
                assert await _read_from(source, chunk.position, rest) == once

    async def test_another_source_reads_on_from_each_position(self, target: SourceTarget) -> None:
        events = target.events(250)
        async with Harness() as harness:
            source = made_in(harness, target.make)
            _check_pull_source(source)
            _check_claims(source, Can.RESUME)
            await _connect(source, target, events)
            done = 0
            for chunk in await _chunks(source, None, 250):
                done += len(chunk.events)
                other = made_in(harness, target.make)
                other.Position = _stored(chunk.position)
                await other.connect()
                assert await _read(other, _stored(chunk.position), 250 - done) == events[done:]
                await other.close()
            await source.close()

    async def test_acknowledging_again_or_late_skips_nothing(self, target: SourceTarget) -> None:
        events = target.events(250)
        async with _pull_source(target, events, Can.RESUME) as source:
            chunks = await _chunks(source, None, 250)
            for chunk in [*reversed(chunks), *chunks]:
                await source.acknowledge(chunk.position)
            done = len(chunks[0].events)
            assert await _read(source, chunks[0].position, 250 - done) == events[done:]

    async def test_what_is_not_acknowledged_comes_again(self, target: SourceTarget) -> None:
        async with _pull_source(target, target.events(10), Can.REDELIVER) as source:
            first = await source.read(None)
            await source.close()
            await source.connect()
            again = await _read(source, None, 10)
            assert [event for event in target.events(10) if event not in again] == []
            assert len(first.events) > 0

    async def test_cancelling_a_read_loses_nothing(self, target: SourceTarget) -> None:
        events = target.events(10)
        async with _pull_source(target, events) as source:
            if not _claims(source) & (Can.RESUME | Can.REDELIVER):
                does_not_apply("it claims neither RESUME nor REDELIVER")

            async def check() -> None:
                if Can.RESUME not in _claims(source):
                    await source.close()
                    await source.connect()
                found = await _read_from(source, None, 10)
                assert [event for event in events if event not in found] == [], "lost"

            await cancel_everywhere(functools.partial(source.read, None), check)


async def _start(
    harness: Harness, target: SourceTarget, events: Sequence[Any], claim: Can = Can.NOTHING
) -> Any:
    """Run a pipeline with the source, see that it finds `events`, and return it."""
    if target.is_live:
        harness.chain(maker(target.make))
        await _put(target, events)
    else:
        await _put(target, events)
        harness.chain(maker(target.make))
    source = _source(harness)
    _check_claims(source, claim)
    return source


async def _put(target: SourceTarget, events: Sequence[Any]) -> None:
    """Write to the input; a target whose `write` hangs fails the test."""
    async with asyncio.timeout(_WITHIN_S):
        await awaited(target.write(events))


async def _connect(source: Any, target: SourceTarget, events: Sequence[Any]) -> None:
    """Connect a source to an input that holds `events`."""
    if target.is_live:
        await source.connect()
        await _put(target, events)
    else:
        await _put(target, events)
        await source.connect()


def _source(harness: Harness) -> Any:
    (source,) = harness.pipelines[0].Sources
    assert isinstance(source, Source)
    return source


async def _check_out(harness: Harness, source: Any, events: Sequence[Any]) -> None:
    """Check that `events` come out, and after a while still nothing else."""

    def have_come() -> bool:
        count = len(harness.out())
        assert count >= len(events), f"{count} of {len(events)} events came out"
        return True

    await eventually(have_come, _WITHIN_S)
    await harness.app.Clock.sleep(_QUIET_S)
    same(harness.out(), events, is_ordered=Can.ORDER in _claims(source))


@asynccontextmanager
async def _pull_source(
    target: SourceTarget, events: Sequence[Any], claim: Can = Can.NOTHING
) -> AsyncIterator[Any]:
    """Yield a pull source that is connected and that nothing else drives."""
    async with bare(target.make) as source:
        _check_pull_source(source)
        _check_claims(source, claim)
        await _connect(source, target, events)
        try:
            yield source
        finally:
            await source.close()


async def _chunks(source: Any, position: Any, count: int) -> list[Chunk[Any]]:
    """Read until `count` events have come; return the chunks that are not empty."""
    chunks: list[Chunk[Any]] = []
    found = 0
    async with asyncio.timeout(_WITHIN_S):
        while found < count:
            chunk = await source.read(position)
            position = chunk.position
            if chunk.events:
                found += len(chunk.events)
                chunks.append(chunk)
            else:
                assert not chunk.is_last, f"the input ended after {found} events"
                await source.App.Clock.sleep(_IDLE_S)
    return chunks


async def _read_until_cut(source: Any) -> Any:
    """Read on until the source has noticed that its connection is cut; return the position.

    What it had received before that may be read before.
    """
    position = None
    async with asyncio.timeout(_WITHIN_S):
        while True:
            try:
                chunk = await source.read(position)
            except NotConnectedError:
                return position
            position = chunk.position
            if not chunk.events:
                await source.App.Clock.sleep(_IDLE_S)


async def _read_from(source: Any, position: Any, count: int) -> list[Any]:
    """Read after a position; a broker that redelivers is told of it by connecting anew."""
    if Can.REDELIVER in _claims(source):
        await source.close()
        source.Position = position
        await source.connect()
    return await _read(source, position, count)


async def _read(source: Any, position: Any, count: int) -> list[Any]:
    chunks = await _chunks(source, position, count)
    return [event for chunk in chunks for event in chunk.events]


def _stored(position: Any) -> Any:
    """Return a position after it was written to a store and read again."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(position))


def _claims(source: Any) -> Can:
    claims: Can = getattr(source, "Capabilities", Can.NOTHING)
    return claims


def _check_claims(source: Any, claim: Can) -> None:
    if claim not in _claims(source):
        does_not_apply(f"it does not claim {claim.name}")


def _check_pull_source(source: Any) -> None:
    if not isinstance(source, PullSource):
        does_not_apply("it is not a pull source")


async def _disconnect(target: SourceTarget, source: Any) -> None:
    if target.disconnect is None:
        does_not_apply("it has no connection that could be cut")
    await awaited(target.disconnect(source))
