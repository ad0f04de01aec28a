"""What happens with a checkpoint when a program starts again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from bspump.abc.component import Stateful
from bspump.abc.errors import ConfigError, ConfigErrors, NotConnectedError, TransientError
from bspump.abc.options import RetryOptions
from bspump.abc.sink import EpochId, EpochSink
from bspump.abc.source import PullSource
from bspump.abc.state import Checkpoint, Epoch, Staged, StateStore

from .checkpoint import parts_of
from .drive_epochs import TwoPhaseDriver
from .log import get_logger
from .retry import Backoff

if TYPE_CHECKING:
    from .pipeline import Pipeline
    from .service import BSPumpService

log = get_logger(__name__)


class Recovery:
    """Knows what is stored, and gives it back to the parts of the program.

    A part is known by its address. What is stored of a part that the program no longer has keeps
    the program from starting, until it is said what is to become of it.
    """

    def __init__(self, store: StateStore, service: BSPumpService) -> None:
        self._store, self._service = store, service
        self._checkpoints: dict[str, Checkpoint] = {}
        self._staged: dict[str, Staged] = {}
        self._group_of: dict[str, str] = {}
        self._epochs: dict[str, int] = {}
        self._deciding: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._recovered: set[Pipeline] = set()
        self._restored: set[Stateful] = set()
        self._recovering = asyncio.Lock()

    async def open(self, *, renamed: Iterable[str] = (), forget: Iterable[str] = ()) -> None:
        """Read what is stored, and change it as was asked for.

        Raises:
            ConfigErrors: something that is stored belongs to nothing in the program.
        """
        pipelines = self._service.Pipelines
        for group in {*await self._store.groups(), *pipelines}:
            await self._load(group)
        for change in renamed:
            old, arrow, new = (word.strip() for word in change.partition("->"))
            if not arrow or not old or not new:
                raise ConfigError(
                    f"[checkpoint] renamed: expected 'Old.Part->New.Part', got {change!r}"
                    f" [{ConfigError.Code}]"
                )
            if old in self._group_of:
                group = self._group_of[old]
                await self._store.move(group, old, to_address=new)
                await self._load(group)
        for address in forget:
            if address in self._group_of:
                group = self._group_of[address]
                log.warning("forgotten; take it out of [checkpoint] forget now", address=address)
                await self._store.drop(group, address)
                await self._load(group)
        errors = [error for each in pipelines.values() for error in self._misfits(each)]
        if errors:
            raise ConfigErrors(errors)
        shared = {part.locate_address() for p in pipelines.values() for part in parts_of(p)}
        for address in sorted(self._group_of.keys() - shared):
            if _pipeline_of(address) not in pipelines:
                log.warning("stored of a pipeline that is not here", address=address)

    async def _load(self, group: str) -> None:
        checkpoint, staged = await self._store.load(group), await self._store.staged(group)
        self._staged.pop(group, None)
        self._checkpoints.pop(group, None)
        for address in [a for a, name in self._group_of.items() if name == group]:
            del self._group_of[address]
        if staged is not None:
            self._staged[group] = staged
            self._group_of.update(dict.fromkeys(staged.addresses, group))
        if checkpoint is not None:
            self._checkpoints[group] = checkpoint
            self._epochs[group] = checkpoint.epoch
            addresses = {
                *checkpoint.positions,
                *checkpoint.versions,
                *(token.sink for token in checkpoint.pending),
            }
            self._group_of.update(dict.fromkeys(addresses, group))

    def _misfits(self, pipeline: Pipeline) -> Iterable[ConfigError]:
        """Yield an error for everything stored of `pipeline` that it has no place for."""
        stateful = [part.locate_address() for part in parts_of(pipeline) if part.is_stateful()]
        known = {part.locate_address() for part in parts_of(pipeline)}
        for address in sorted({a for a in stateful if stateful.count(a) > 1}):
            yield ConfigError(
                f"{address}: two parts that keep a state have the same Id [{ConfigError.Code}]\n"
                "  what to do: give one of them another Id"
            )
        for checkpoint in self._checkpoints.values():
            for address in checkpoint.versions:
                if _pipeline_of(address) == pipeline.Id and address not in stateful:
                    yield _misfit(address, "the state of a part", known)
            for address in checkpoint.positions:
                if _pipeline_of(address) == pipeline.Id and address not in known:
                    yield _misfit(address, "the position of a source", known)
            for token in checkpoint.pending:
                if _pipeline_of(token.sink) == pipeline.Id and token.sink not in known:
                    yield _misfit(token.sink, "what a sink has to commit", known)

    def connected(self, pipelines: Collection[Pipeline]) -> list[list[Pipeline]]:
        """Return which of `pipelines` were connected when they were stored."""
        found: dict[str, dict[str, Pipeline]] = defaultdict(dict)
        by_id = {pipeline.Id: pipeline for pipeline in pipelines}
        for address, group in self._group_of.items():
            pipeline = by_id.get(_pipeline_of(address))
            if pipeline is not None:
                found[group][pipeline.Id] = pipeline
        return [list(each.values()) for each in found.values()]

    async def recover(self, pipeline: Pipeline) -> None:
        """Give back to a pipeline what is stored of it, once; before it begins to run.

        Raises:
            ConfigError: something of it cannot be used; it says what to do.
        """
        addresses = {part.locate_address() for part in parts_of(pipeline)}
        for group in {self._group_of[a] for a in addresses if a in self._group_of}:
            async with self._deciding[group]:
                await self._decide(group)
        async with self._recovering:
            if pipeline in self._recovered:
                return
            for part in parts_of(pipeline):
                # What pipelines share is found with each of them.
                if part not in self._restored:
                    await self._restore(part)
                    self._restored.add(part)
            for driver in pipeline.transactions():
                self._hand_tokens(driver)
            self._recovered.add(pipeline)

    def forget(self, pipeline: Pipeline) -> None:
        """Take note that a pipeline is gone."""
        self._recovered.discard(pipeline)
        others = {part for each in self._recovered for part in parts_of(each)}
        self._restored.difference_update(set(parts_of(pipeline)) - others)

    async def _restore(self, part: Stateful) -> None:
        address = part.locate_address()
        group = self._group_of.get(address)
        checkpoint = None if group is None else self._checkpoints.get(group)
        if group is None or checkpoint is None:
            return
        if isinstance(part, PullSource) and address in checkpoint.positions:
            part.Position = part.DurablePosition = checkpoint.positions[address][None]
        if part.is_stateful():
            state = await self._store.load_state(group, address)
            if state is not None:
                part.restore(state)

    def _hand_tokens(self, driver: Any) -> None:
        if not isinstance(driver, TwoPhaseDriver):
            return
        address = driver.sink.locate_address()
        checkpoint = self._checkpoints.get(self._group_of.get(address, ""))
        if checkpoint is not None:
            driver.pending = [t.token for t in checkpoint.pending if t.sink == address]

    async def _decide(self, group: str) -> None:
        """Find out whether an epoch that is stored apart has happened."""
        staged = self._staged.get(group)
        if staged is None:
            return
        name = EpochId(self._store.lineage, staged.number)
        answers = [await self._ask(address) == name for address in staged.deciders]
        if all(answers):
            await self._store.promote(group, staged.number)
        else:
            if any(answers):
                log.error(
                    "an epoch was committed by some sinks only: its events come twice there",
                    group=group,
                    sinks=[a for a, yes in zip(staged.deciders, answers, strict=True) if yes],
                )
            await self._store.rollback(group)
        log.info("an open epoch was settled", group=group, happened=all(answers))
        await self._load(group)

    async def _ask(self, address: str) -> EpochId | None:
        """Return the last epoch that a sink has committed, however long that takes."""
        sink = self._service.locate(address)
        if not isinstance(sink, EpochSink):
            raise _misfit(address, "what a sink may have committed", [])
        backoff = Backoff(RetryOptions())
        while True:
            try:
                await sink.connect()
                return await sink.committed()
            except (NotConnectedError, TransientError) as error:
                wait_s = backoff.next_s(error) or 0.0
                log.warning(
                    "cannot ask a sink for its last epoch",
                    sink=address,
                    error=str(error),
                    retry_in_s=round(wait_s, 3),
                )
            finally:
                await sink.close()
            await sink.App.Clock.sleep(wait_s)

    # While the program runs

    async def gather(self, group: str, addresses: Collection[str]) -> None:
        """Let all that is stored under `addresses` belong to `group`."""
        for address in addresses:
            other = self._group_of.get(address, group)
            if other != group:
                await self._store.move(other, address, to_group=group, to_address=address)
                self._group_of[address] = group
                self._epochs[group] = max(self.last_epoch(group), self.last_epoch(other))

    def last_epoch(self, group: str) -> int:
        """Return the number of the last epoch of a group; 0 if it never had one."""
        return self._epochs.get(group, 0)

    def stored(self, epoch: Epoch) -> None:
        """Take note that an epoch is stored."""
        self._epochs[epoch.group] = epoch.number
        addresses = [*epoch.positions, *epoch.states, *epoch.tokens]
        self._group_of.update(dict.fromkeys(addresses, epoch.group))


def _pipeline_of(address: str) -> str:
    return address.partition(".")[0]


def _misfit(address: str, what: str, known: Collection[str]) -> ConfigError:
    there = ", ".join(sorted(known)) or "nothing"
    return ConfigError(
        f"{address}: {what} is stored, and the program has no place for it [{ConfigError.Code}]\n"
        f"  the program has: {there}\n"
        f"  what to do: in [checkpoint], `renamed = {address}->Its.NewAddress` if it has"
        f" another Id now, or `forget = {address}` if it is not needed any more"
    )
