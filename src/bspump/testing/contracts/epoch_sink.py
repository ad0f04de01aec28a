"""What every sink promises that keeps epochs with its data."""

# ruff: noqa: S101 - a contract asserts

from __future__ import annotations

from typing import Any

from bspump.abc.sink import EpochId

from .sink import SinkContract, SinkTarget, batch_of, batch_sink, check_stored, commit


class EpochSinkContract(SinkContract):
    """A sink whose destination tells itself whether an epoch happened.

    Its target is that of `SinkContract`; `stored` must not see what is not committed.
    """

    async def test_what_is_not_committed_is_seen_by_nobody(self, target: SinkTarget) -> None:
        async with batch_sink(target) as sink:
            await sink.write(batch_of(target.events(3)))
            await check_stored(target, [])
            await commit(sink)
            await check_stored(target, target.events(3))

    async def test_it_knows_the_last_epoch_after_a_crash(self, target: SinkTarget) -> None:
        async with batch_sink(target) as sink:
            assert await sink.committed() is None
            await sink.write(batch_of(target.events(3)))
            await commit(sink, 7)
            await _crash(sink)
            assert await sink.committed() == EpochId(sink.Pipeline.lineage(), 7)

    async def test_a_crash_takes_back_what_was_not_committed(self, target: SinkTarget) -> None:
        async with batch_sink(target) as sink:
            await sink.write(batch_of(target.events(3)))
            await commit(sink, 1)
            await sink.write(batch_of(target.events(3, first=3)))
            await _crash(sink)
            assert await sink.committed() == EpochId(sink.Pipeline.lineage(), 1)
            await sink.write(batch_of(target.events(3, first=6)))
            await commit(sink, 2)
            await check_stored(target, target.events(3) + target.events(3, first=6))

    async def test_an_epoch_without_events_counts(self, target: SinkTarget) -> None:
        async with batch_sink(target) as sink:
            for number in range(1, 4):
                await commit(sink, number)
            assert await sink.committed() == EpochId(sink.Pipeline.lineage(), 3)
            await check_stored(target, [])

    async def test_several_batches_are_one_epoch(self, target: SinkTarget) -> None:
        async with batch_sink(target) as sink:
            for first in range(0, 9, 3):
                await sink.write(batch_of(target.events(3, first=first)))
            await commit(sink)
            await check_stored(target, target.events(9))


async def _crash(sink: Any) -> None:
    await sink.close()
    await sink.connect()
