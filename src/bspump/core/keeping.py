"""How epochs get into the store, however long that takes; or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from bspump.abc.component import Stateful
from bspump.abc.errors import TransientError
from bspump.abc.keyed import KeyedProcessor
from bspump.abc.options import RetryOptions
from bspump.abc.state import Epoch, FrozenState, StateStore

from .checkpoint import Group, Keeper, parts_of
from .log import get_logger
from .retry import Backoff

if TYPE_CHECKING:
    from .pipeline import Pipeline
    from .recovery import Recovery

log = get_logger(__name__)


class NoKeeper(Keeper):
    """Keeps nothing: sinks commit and sources are told, as long as the process lives."""

    is_durable = False

    def __init__(self, lineage: str) -> None:
        self.lineage = lineage
        self._number = 0

    async def number(self, group: Group) -> int:
        self._number += 1
        return self._number

    async def commit(self, group: Group, epoch: Epoch) -> None:
        pass

    async def stage(self, group: Group, epoch: Epoch) -> None:
        pass

    async def promote(self, group: Group, epoch: Epoch) -> None:
        pass

    async def committed(self, group: Group, epoch: Epoch) -> None:
        pass


class StoreKeeper(Keeper):
    """Keeps epochs in a store. What the disk refuses is tried again while pipelines go on.

    Any other failure stops the pipelines of the group, until their errors are cleared.
    """

    is_durable = True

    def __init__(self, store: StateStore, recovery: Recovery) -> None:
        self._store, self._recovery = store, recovery
        # Of a part that cannot be stored something is lost with each snapshot that is refused.
        self._refused: dict[str, Exception] = {}
        # They keep state elsewhere too, and so must know what has become durable.
        self._keyed: WeakValueDictionary[str, KeyedProcessor] = WeakValueDictionary()

    @property
    def lineage(self) -> str:  # type: ignore[override]
        return self._store.lineage

    def freeze(self, part: Stateful, states: dict[str, FrozenState]) -> None:
        address = part.locate_address()
        if address in self._refused:
            raise self._refused[address]
        snapshot = part.snapshot()
        if isinstance(part, KeyedProcessor):
            self._keyed[address] = part
        if snapshot is None:
            return
        try:
            frozen = self._store.freeze(address, snapshot)
        except Exception as error:
            self._refused[address] = error
            raise
        older = states.get(address)
        states[address] = frozen if older is None else older.followed_by(frozen)

    async def number(self, group: Group) -> int:
        addresses = [part.locate_address() for p in group.pipelines for part in parts_of(p)]
        await self._insist(group, lambda: self._recovery.gather(group.name, addresses))
        return self._recovery.last_epoch(group.name) + 1

    async def commit(self, group: Group, epoch: Epoch) -> None:
        await self._insist(group, lambda: self._store.commit(epoch))
        self._stored(epoch)

    async def stage(self, group: Group, epoch: Epoch) -> None:
        await self._insist(group, lambda: self._store.stage(epoch))

    async def promote(self, group: Group, epoch: Epoch) -> None:
        await self._insist(group, lambda: self._store.promote(epoch.group, epoch.number))
        self._stored(epoch)

    def _stored(self, epoch: Epoch) -> None:
        self._recovery.stored(epoch)
        for address, state in epoch.states.items():
            part = self._keyed.get(address)
            if part is not None:
                part.stored(state)

    async def committed(self, group: Group, epoch: Epoch) -> None:
        sinks = list(epoch.tokens)
        await self._insist(
            group, lambda: self._store.mark(epoch.group, epoch.number, committed=sinks)
        )

    async def _insist(self, group: Group, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        first = group.pipelines[0]
        backoff = Backoff(RetryOptions())
        while True:
            try:
                await call()
            except TransientError as error:
                wait_s = backoff.next_s(error) or 0.0
                log.warning(
                    "cannot store a checkpoint",
                    group=group.name,
                    error=str(error),
                    retry_in_s=round(wait_s, 3),
                )
                await first.Clock.sleep(wait_s)
            except Exception as error:  # noqa: BLE001 - shown; the operator may clear it
                first.set_error(None, None, error)
                if not first.has_error():
                    await first.Clock.sleep(1.0)
                await first.error_cleared()
            else:
                return


async def close_keyed(pipelines: Iterable[Pipeline]) -> None:
    """Release the stores of keyed state of pipelines that have ended."""
    for pipeline in pipelines:
        for part in pipeline.iter_processors():
            if isinstance(part, KeyedProcessor):
                await part.close_store()
