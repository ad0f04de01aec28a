"""One checkpoint of a group of connected pipelines.

1. Pull sources pause between two chunks, and nothing else enters.
2. What is on its way gets out, from the pipelines that feed others to those that are fed, and
   sinks write what they have.
3. In one turn of the loop: positions, snapshots of all parts, dead letters. Then all goes on.
4. Transactional sinks prepare, and the store keeps all of it in one transaction.
5. Sinks commit what they have prepared, and sources are told what is durable.

What fails in 4 and 5 is tried again until it succeeds; a crash leaves it to the next start, see
`recovery`. A sink that keeps the epoch with its data decides itself whether the epoch happened:
for it the store keeps the epoch apart (`stage`), until the sink has committed (`promote`).

The idea is that of consistent snapshots at barriers (Carbone et al., "Lightweight Asynchronous
Snapshots for Distributed Dataflows", 2015), made simpler by the one loop in which all of it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bspump.abc.capabilities import Can
from bspump.abc.component import Component, Stateful
from bspump.abc.dead_letters import DeadLetter
from bspump.abc.sink import BatchSink, EpochId
from bspump.abc.source import PullSource
from bspump.abc.state import Epoch, FrozenState

from .drive_epochs import EpochDriver, TransactionDriver, TwoPhaseDriver
from .standstill import Standstill

if TYPE_CHECKING:
    from .pipeline import Pipeline


@dataclass(slots=True)
class Cut:
    """What belongs to one epoch, taken in one turn of the loop.

    Attributes:
        positions: by source; sources that cannot resume are among them.
        states: what parts remember, by address.
        letters: events set aside.
        replayed: ids of dead letters that were replayed.
        transactions: drivers of transactional sinks, by address.
    """

    positions: dict[PullSource[Any, Any], Any] = field(default_factory=dict)
    states: dict[str, FrozenState] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)
    replayed: list[int] = field(default_factory=list)
    transactions: dict[str, TransactionDriver] = field(default_factory=dict)

    def stored_positions(self) -> dict[str, Any]:
        """Return the positions from which a later process can read on, by address."""
        return {
            source.locate_address(): position
            for source, position in self.positions.items()
            if Can.RESUME in source.Capabilities
        }

    def epoch(self, group: str, number: int, at_s: float, prepared: Mapping[str, Any]) -> Epoch:
        """Return what the store is to keep."""
        return Epoch(
            group=group,
            number=number,
            at_s=at_s,
            positions={a: {None: position} for a, position in self.stored_positions().items()},
            states=self.states,
            tokens=prepared,
            letters=self.letters,
            replayed=self.replayed,
            deciders=[a for a, d in self.transactions.items() if isinstance(d, EpochDriver)],
        )


class Keeper:
    """Where epochs are kept: the store, with patience. Every call returns when it is done."""

    is_durable: bool
    lineage: str

    def freeze(self, part: Stateful, states: dict[str, FrozenState]) -> None:
        """Add what a part remembers to `states`."""
        raise NotImplementedError

    async def number(self, group: Group) -> int:
        """Return the number of the next epoch; all that is stored of the group is in one place."""
        raise NotImplementedError

    async def commit(self, group: Group, epoch: Epoch) -> None:
        """Store an epoch."""
        raise NotImplementedError

    async def stage(self, group: Group, epoch: Epoch) -> None:
        """Store an epoch apart."""
        raise NotImplementedError

    async def promote(self, group: Group, epoch: Epoch) -> None:
        """Let the epoch that is stored apart be the last one."""
        raise NotImplementedError

    async def committed(self, group: Group, epoch: Epoch) -> None:
        """Note that all sinks have committed what they had prepared."""
        raise NotImplementedError


class Group:
    """Pipelines that are connected, and their checkpoints, one after the other.

    Args:
        pipelines: those that feed others come first.
        keeper: where epochs are kept.
        is_current: tells whether the same pipelines are still connected.
        before: groups in which some of the pipelines were so far; what these have begun ends
            first.

    Attributes:
        name: of the group in the store.
        taken_at_s: when the last checkpoint was complete, Unix seconds.
        begun_at_s: when it was begun, by the monotonic clock.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        keeper: Keeper,
        is_current: Callable[[Group], bool],
        before: Collection[Group] = (),
    ) -> None:
        self.pipelines = tuple(pipelines)
        self.name = min(pipeline.Id for pipeline in pipelines)
        self.taken_at_s: float | None = None
        self.begun_at_s = pipelines[0].Clock.monotonic()
        self.lock = asyncio.Lock()
        self._keeper, self._is_current = keeper, is_current
        self._kept_positions: dict[str, Any] = {}
        # What parts have handed over and the store does not have, because a commit was cut off.
        self._unstored = Cut()
        self._resting: list[Standstill] = []
        self._before = list(before)

    async def _adopt(self, other: Group) -> None:
        """Take over what a group of some of the pipelines has not stored."""
        async with other.lock:
            pass
        self._unstored.states.update(other._unstored.states)
        self._unstored.letters += other._unstored.letters
        self._unstored.replayed += other._unstored.replayed
        self._kept_positions.update(other._kept_positions)
        self.taken_at_s = self.taken_at_s or other.taken_at_s

    def age_of_batches_s(self) -> float:
        """Return the longest time that a batch of one of the sinks may take to fill."""
        sinks = (part for p in self.pipelines for part in p.iter_processors())
        ages = [sink.Options.batch.max_age for sink in sinks if isinstance(sink, BatchSink)]
        return max(ages, default=0.0)

    def is_due(self) -> bool:
        """Tell whether there may be something to keep, to commit or to acknowledge."""
        is_durable = self._keeper.is_durable
        return any(
            any(not driver.is_acknowledged() for driver in pipeline.drivers_of_sources().values())
            or any(driver.has_written() or len(driver) for driver in pipeline.transactions())
            or (is_durable and any(part.is_stateful() for part in parts_of(pipeline)))
            or (is_durable and pipeline.Asides.is_something_new())
            for pipeline in self.pipelines
        )

    def is_at_rest(self) -> bool:
        """Tell whether a last checkpoint was taken, so that nothing may get out any more."""
        return bool(self._resting)

    async def take(self, *, is_last: bool = False) -> bool:
        """Take one checkpoint; False if that is not possible now. The lock must be held.

        Args:
            is_last: the pipelines are not to go on, until `go_on`.
        """
        while self._before:
            await self._adopt(self._before[-1])
            self._before.pop()
        self.begun_at_s = self.pipelines[0].Clock.monotonic()
        resting = [Standstill(pipeline) for pipeline in self.pipelines]
        cut = None
        try:
            cut = await self._cut(resting, is_last=is_last)
        finally:
            if cut is None or not is_last:
                _end(resting)
        if cut is None:
            return False
        self._resting = resting if is_last else []
        await self._keep(cut)
        return True

    def go_on(self) -> None:
        """Let the pipelines go on after all."""
        _end(self._resting)
        self._resting = []

    # Steps 1 to 3

    async def _cut(self, resting: Sequence[Standstill], *, is_last: bool) -> Cut | None:
        while not self._has_error():
            if not await self._unless_error(self._come_to_rest(resting)):
                return None
            if not self._is_current(self) or self._has_error():
                return None
            if all(standstill.is_complete() for standstill in resting):
                if is_last:
                    self._release_sinks()
                return self._snapshot()
            _end(resting)
            await asyncio.sleep(0)
        return None

    def _release_sinks(self) -> None:
        """Let sinks complete what is complete when nothing more comes, such as files."""
        for pipeline in self.pipelines:
            for driver in pipeline.transactions():
                driver.sink.release()

    def _has_error(self) -> bool:
        return any(pipeline.has_error() for pipeline in self.pipelines)

    async def _come_to_rest(self, resting: Sequence[Standstill]) -> None:
        await asyncio.gather(*(standstill.pause_sources() for standstill in resting))
        standing: set[Any] = set()
        for standstill in resting:
            await standstill.drain(standing)
            standing.add(standstill.pipeline)

    async def _unless_error(self, work: Coroutine[Any, Any, None]) -> bool:
        """Wait for `work`, but only while no pipeline has an error; tell whether it was done."""
        working = asyncio.ensure_future(work)
        errors = [asyncio.ensure_future(p.error_occurred()) for p in self.pipelines]
        try:
            await asyncio.wait([working, *errors], return_when=asyncio.FIRST_COMPLETED)
            is_done = working.done()
        finally:
            for task in [working, *errors]:
                task.cancel()
            await asyncio.wait([working, *errors])
        if is_done:
            working.result()
        return is_done

    def _snapshot(self) -> Cut:
        cut = self._unstored
        cut.positions, cut.transactions = {}, {}
        if self._keeper.is_durable:
            for pipeline in self.pipelines:
                for part in parts_of(pipeline):
                    if part.is_stateful():
                        self._keeper.freeze(part, cut.states)
            for pipeline in self.pipelines:
                cut.letters += pipeline.Asides.take()
                cut.replayed += pipeline.Asides.take_replayed()
        for pipeline in self.pipelines:
            for source in {*pipeline.Sources, *pipeline.drivers_of_sources()}:
                if isinstance(source, PullSource) and source.Position is not None:
                    cut.positions[source] = source.Position
            for driver in pipeline.transactions():
                driver.hold()
                cut.transactions[driver.sink.locate_address()] = driver
        return cut

    # Steps 4 and 5

    async def _keep(self, cut: Cut) -> None:
        positions = cut.stored_positions()
        if self._is_new(cut, positions):
            await self._commit(cut, positions)
            self._kept_positions = positions
        self._unstored = Cut()
        self.taken_at_s = self.pipelines[0].App.time()
        for driver in cut.transactions.values():
            driver.release()
        for source, position in cut.positions.items():
            source.DurablePosition = position
            for pipeline in self.pipelines:
                running = pipeline.drivers_of_sources().get(source)
                if running is not None:
                    running.durable(position)

    def _is_new(self, cut: Cut, positions: dict[str, Any]) -> bool:
        """Tell whether there is something to be kept or committed."""
        if any(driver.has_written() for driver in cut.transactions.values()):
            return True
        return self._keeper.is_durable and bool(
            cut.states or cut.letters or cut.replayed or positions != self._kept_positions
        )

    async def _commit(self, cut: Cut, positions: dict[str, Any]) -> None:
        keeper = self._keeper
        number = await keeper.number(self)
        name = EpochId(keeper.lineage, number)
        drivers = cut.transactions
        prepared: dict[str, Any] = {}
        for address, driver in drivers.items():
            if isinstance(driver, TwoPhaseDriver):
                token = await driver.prepare(name)
                if token is not None:
                    prepared[address] = token
        epoch = cut.epoch(self.name, number, self.pipelines[0].App.time(), prepared)
        if epoch.deciders:
            await keeper.stage(self, epoch)
            for driver in drivers.values():
                if isinstance(driver, EpochDriver):
                    await driver.commit(name, positions)
            await keeper.promote(self, epoch)
        else:
            await keeper.commit(self, epoch)
        for address, token in prepared.items():
            driver = drivers[address]
            assert isinstance(driver, TwoPhaseDriver)
            await driver.commit(token)
        if prepared:
            await keeper.committed(self, epoch)


def parts_of(pipeline: Pipeline) -> list[Stateful]:
    """Return all sources, processors and sinks of a pipeline, and what they share, each once."""
    parts: list[Component] = [*pipeline.Sources, *pipeline.iter_processors()]
    shared = {id(each): each for part in parts for each in part.shares()}
    return [*parts, *shared.values()]


def _end(resting: Sequence[Standstill]) -> None:
    for standstill in resting:
        standstill.end()
