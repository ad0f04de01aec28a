"""The service that takes checkpoints of all pipelines: when, of which together, and where to."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.dead_letters import DeadLetterOptions
from bspump.abc.keyed_store import KeyedStore, register_keyed_store
from bspump.abc.options import Configurable, Duration, Options

from .checkpoint import Group, Keeper
from .grouping import components, feeders_first
from .keeping import NoKeeper, StoreKeeper, close_keyed
from .lifecycle import State
from .log import get_logger
from .quarantine import Care, Quarantine
from .recovery import Recovery
from .service import Service

if TYPE_CHECKING:
    from bspump.abc.source import PullSource
    from bspump.abc.state import StateStore

    from .application import BSPumpApplication
    from .pipeline import Pipeline

log = get_logger(__name__)

STORE_NAME = "state.sqlite"
"""The name of the store in `var_dir`."""

_AGAIN_S = 1.0
"""So long after an error that was called harmless a checkpoint is tried again."""

_LAST_SHARE = 0.5
"""Of the time that a stop may take: for a last checkpoint."""


def _rocksdb() -> type[KeyedStore]:
    from bspump.state.rocksdb import RocksdbKeyedStore

    return RocksdbKeyedStore


register_keyed_store("rocksdb", _rocksdb)


class CheckpointOptions(Options, frozen=True, kw_only=True):
    """When checkpoints are taken, and what becomes of state that has no place any more."""

    interval: Annotated[
        Duration,
        Meta(
            description="Seconds from one checkpoint to the next. A group of pipelines with a sink"
            " whose `batch.max_age` is longer takes one as often as that."
        ),
    ] = 1.0
    max_crashes: Annotated[
        int,
        Meta(
            ge=0,
            description="When so many processes died on the way from one checkpoint, the next one"
            " looks for the event that kills; 0: never.",
        ),
    ] = 3
    renamed: Annotated[
        tuple[str, ...],
        Meta(description="`Old.Part->New.Part`: what is stored of the one belongs to the other."),
    ] = ()
    forget: Annotated[
        tuple[str, ...],
        Meta(description="Addresses of parts that are gone, with all that is stored."),
    ] = ()


class CheckpointService(Service, Configurable):
    """Takes checkpoints of all groups of connected pipelines.

    With `var_dir` in `[general]` they are kept in a file there, and a program that starts again
    goes on where the last one has ended, or crashed. Without it sinks are flushed and sources
    are told, so that brokers keep what was not delivered; what parts remember is lost at the end.

    Attributes:
        Store: where checkpoints are kept, `None` for nowhere.
        Quarantine: counts crashes, `None` where it is not to, or cannot.
    """

    OptionsClass = CheckpointOptions
    Options: CheckpointOptions

    def __init__(
        self, app: BSPumpApplication, service_name: str = "bspump.CheckpointService"
    ) -> None:
        super().__init__(app, service_name)
        self._configure(app.Config, "checkpoint", None)
        self._letters = _LettersConfig(app.Config)
        directory = app.Config.entries("general").get("var_dir")
        self.Store: StateStore | None = None
        if directory is not None and directory.value:
            from bspump.state import SqliteStateStore

            path = Path(str(directory.value)) / STORE_NAME
            self.Store = SqliteStateStore(path, letters=self._letters.Options)
        self._keeper: Keeper = NoKeeper(uuid.uuid4().hex)
        self._recovery: Recovery | None = None
        self.Quarantine: Quarantine | None = None
        self._groups: dict[Pipeline, Group] = {}
        self._upcoming: dict[Group, asyncio.Task[bool]] = {}
        self._started: set[Pipeline] = set()
        self._is_over = False

    @property
    def is_durable(self) -> bool:
        """Whether checkpoints outlive the process."""
        return self.Store is not None

    @property
    def lineage(self) -> str:
        """The name of the store; without one, of the application."""
        return self._keeper.lineage

    def use(self, store: StateStore) -> None:
        """Keep checkpoints in `store`; to be called before the application runs."""
        self.Store = store

    async def initialize(self, app: BSPumpApplication) -> None:
        if self.Store is not None:
            await self.Store.open()
            self._recovery = Recovery(self.Store, app.PumpService)
            self._keeper = StoreKeeper(self.Store, self._recovery)
            await self._recovery.open(renamed=self.Options.renamed, forget=self.Options.forget)
            if self.Options.max_crashes:
                self.Quarantine = Quarantine(self.Store, self.Options.max_crashes)
                await self.Quarantine.open(forget=self.Options.forget)
        self._ticking = app.spawn(self._tick(), name="checkpoints")

    async def finalize(self, app: BSPumpApplication) -> None:
        self._is_over = True
        for task in list(self._upcoming.values()):
            task.cancel()
        if self.Store is not None:
            await close_keyed(app.PumpService.Pipelines.values())
            await self.Store.close()

    def follow(self, pipeline: Pipeline) -> None:
        """Take checkpoints of a pipeline that runs, whether it is registered or not."""
        self._started.add(pipeline)

    async def recover(self, pipeline: Pipeline) -> None:
        """Give back to a pipeline what is stored of it; before it runs."""
        if self._recovery is not None:
            await self._recovery.recover(pipeline)

    def forget(self, pipeline: Pipeline) -> None:
        """Take note that a pipeline is gone; what is stored of it stays."""
        self._started.discard(pipeline)
        self._groups.pop(pipeline, None)
        if self._recovery is not None:
            self._recovery.forget(pipeline)

    def request(self, pipeline: Pipeline) -> None:
        """Ask for a checkpoint soon."""
        group = self._group_of(pipeline)
        if not self._is_over:
            self._next(group)

    async def checkpoint(self, pipeline: Pipeline) -> None:
        """Take a checkpoint that begins now or later, and wait for it, and for errors to go."""
        while not self._is_over:
            group = self._group_of(pipeline)
            if await asyncio.shield(self._next(group)):
                return
            for each in group.pipelines:
                await each.error_cleared()
        if not self.is_at_rest(pipeline):
            # There is to be no other one, but what was taken is to be written all the same.
            await pipeline.Flow.drained()
            await pipeline.flush()

    def together(self, pipeline: Pipeline) -> Sequence[Pipeline]:
        """Return the pipelines with which a pipeline has its checkpoints; feeders come first."""
        return self._group_of(pipeline).pipelines

    def care_for(self, source: PullSource[Any, Any]) -> Care | None:
        """Return who hands on the first chunks of a source, in case processes died of them."""
        return None if self.Quarantine is None else self.Quarantine.care_for(source)

    def is_at_rest(self, pipeline: Pipeline) -> bool:
        """Tell whether the pipeline has had its last checkpoint."""
        group = self._groups.get(pipeline)
        return group is not None and group.is_at_rest()

    async def finish(self) -> None:
        """Take a last checkpoint of everything, so that the next start resumes exactly there.

        Where that is not possible in time, what has happened since the last one happens again.
        """
        if not self.is_durable or self._recovery is None:
            return
        self._ticking.cancel()
        groups = [group for group in self._all_groups() if group.is_due()]
        await asyncio.gather(*map(self._finish, groups))
        self._is_over = True

    async def _finish(self, group: Group) -> None:
        allowed_s = _LAST_SHARE * max(p.Options.stop_timeout for p in group.pipelines)
        try:
            async with asyncio.timeout(allowed_s):
                await self._prepare(group)
                async with group.lock:
                    if await group.take(is_last=True):
                        return
        except TimeoutError:
            pass
        except Exception:  # The pipelines are to be stopped in any case.
            log.exception("a checkpoint failed", group=group.name)
        group.go_on()
        log.warning("no last checkpoint", group=group.name, last_one_at_s=group.taken_at_s)

    # When

    async def _tick(self) -> None:
        clock, interval_s = self.App.Clock, self.Options.interval
        while True:
            await clock.sleep(interval_s)
            now_s = clock.monotonic()
            for group in self._all_groups():
                due_s = group.begun_at_s + max(interval_s, group.age_of_batches_s())
                # What comes a moment early now comes almost an interval late otherwise.
                if now_s >= due_s - interval_s / 2 and group.is_due() and not group.lock.locked():
                    self._next(group)

    def _next(self, group: Group) -> asyncio.Task[bool]:
        """Return the next checkpoint of a group that has not begun yet."""
        task = self._upcoming.get(group)
        if task is None:
            task = self.App.spawn(self._take(group), name=f"checkpoint {group.name}")
            self._upcoming[group] = task
            task.add_done_callback(lambda _: self._forget(group, task))
        return task

    def _forget(self, group: Group, task: asyncio.Task[bool] | None) -> None:
        if self._upcoming.get(group) is task:
            del self._upcoming[group]

    async def _take(self, group: Group) -> bool:
        try:
            await self._prepare(group)
            async with group.lock:
                self._forget(group, asyncio.current_task())
                return await group.take()
        except Exception as error:  # noqa: BLE001 - shown; the operator may clear it
            first = group.pipelines[0]
            first.set_error(None, None, error)
            if not first.has_error():
                await first.Clock.sleep(_AGAIN_S)
            return False

    async def _prepare(self, group: Group) -> None:
        for pipeline in group.pipelines:
            await self.recover(pipeline)

    # Of which together

    def _pipelines(self) -> list[Pipeline]:
        """Return those that are registered, and others that run."""
        registered = self.App.PumpService.Pipelines.values()
        self._started -= {p for p in self._started if p.State is State.STOPPED}
        return [*registered, *self._started.difference(registered)]

    def _group_of(self, pipeline: Pipeline) -> Group:
        self._regroup(pipeline)
        return self._groups[pipeline]

    def _all_groups(self) -> set[Group]:
        self._regroup()
        return {self._groups[pipeline] for pipeline in self._pipelines()}

    def _regroup(self, *more: Pipeline) -> None:
        """Let groups be what is connected now; connections show when something is first sent."""
        for members in self._components(*more):
            known = {self._groups[p] for p in members if p in self._groups}
            if len(known) == 1 and set(next(iter(known)).pipelines) == members:
                continue
            group = Group(feeders_first(members), self._keeper, self._is_current, known)
            self._groups.update(dict.fromkeys(group.pipelines, group))

    def _components(self, *more: Pipeline) -> list[set[Pipeline]]:
        # One that is not registered, or not any more, may still run.
        pipelines = list(dict.fromkeys([*self._pipelines(), *more]))
        connected = [] if self._recovery is None else self._recovery.connected(pipelines)
        return components(pipelines, connected)

    def _is_current(self, group: Group) -> bool:
        return set(group.pipelines) in self._components(*group.pipelines)


class _LettersConfig(Configurable):
    """The section `[dead_letters]`."""

    OptionsClass = DeadLetterOptions
    Options: DeadLetterOptions

    def __init__(self, source: Any) -> None:
        self._configure(source, "dead_letters", None)
