"""Finding the event that kills the process, so that it does not for ever.

A source that reads on from a checkpoint reads the same events after a crash. Each process counts
in the store, once and before it hands on the first of them, from which position it begins. When
too many have died on the way from one position, the next one takes care:

1. The events of the first chunk go through alone, each until sinks have written what came of it.
   Before that it is noted in the store which one it is.
2. Chunks that follow are noted, too, and have a checkpoint each, so that after another crash the
   event is in the first one. After a while without a crash all is as ever.

An event is at fault when it was alone on its way in two crashes: one may have had any reason. It
is rejected, and what becomes of it is said by `on_error`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from bspump.abc.capabilities import Can
from bspump.abc.dead_letters import DeadLetter
from bspump.abc.errors import ConfigError, CrashError, TransientError
from bspump.abc.host import Context, Event
from bspump.abc.source import PullSource
from bspump.abc.state import Snapshot, StateStore

from .lifecycle import State
from .log import get_logger
from .pieces import cut
from .standstill import Standstill

if TYPE_CHECKING:
    from .pipeline import Pipeline

log = get_logger(__name__)

CRASHES_ALONE: Final = 2
"""In so many crashes an event was alone on its way, if it is at fault."""

CAREFUL_S: Final = 60.0
"""So long after the chunk in which nothing was found each one has a checkpoint."""

KILLS_WITHIN_S: Final = 30.0
"""An event that is alone for longer waits for something; who kills the process then is another."""

_TURN_S: Final = 10.0
"""So long an event waits for that of another source before it goes on its way all the same."""

# Names that no part can have.
_GROUP: Final = "*crashes"
_ALONE: Final = "*alone"
_NOBODY: Final[Sequence[str]] = []


class Quarantine:
    """Knows how often what was begun, in this process and those before.

    It is kept in a group of its own, as pipelines may be grouped differently in each process.

    Args:
        store: where that is kept.
        max_crashes: so many processes may die on the way from one position.
    """

    def __init__(self, store: StateStore, max_crashes: int) -> None:
        self.max_crashes = max_crashes
        self._store = store
        self._begun: set[str] = set()
        self._turn = asyncio.Lock()

    def care_for(self, source: PullSource[Any, Any]) -> Care | None:
        """Return who hands on the first chunks of a source; None if that has been done."""
        address = source.locate_address()
        if address in self._begun or Can.RESUME not in source.Capabilities:
            return None
        self._begun.add(address)
        return Care(source, self)

    async def count(self, address: str, what: Any) -> int:
        """Count that something is begun; return how often it was, 0 if that cannot be known."""
        try:
            return await self._store.count_attempt(_GROUP, address, what)
        except TransientError as error:
            log.warning("cannot note what is begun", address=address, error=str(error))
            return 0

    async def begun(self, address: str) -> list[tuple[Any, int]]:
        """Return what was begun, and how often; the last one is the last."""
        attempts = await self._store.attempts(_GROUP)
        return [(each.position, each.times) for each in attempts if each.source == address]

    async def open(self, forget: Iterable[str]) -> None:
        """Find out which event was alone when the process before died, if one was.

        Args:
            forget: addresses of sources that begin anew.
        """
        attempts = await self._store.attempts(_GROUP)
        for address in set(forget) & {each.source for each in attempts}:
            await self._store.drop(_GROUP, address)
        alone = [each.position for each in attempts if each.source == _ALONE]
        if alone and alone[-1] != _NOBODY:
            address, position, name = alone[-1]
            if address not in forget:
                await self.count(address, ["died", position, name])
            await self.alone(_NOBODY)

    async def alone(self, who: Sequence[Any]) -> None:
        """Note that only this event is on its way: the address of the source, position, name."""
        await self.count(_ALONE, who)

    def name(self, address: str, event: Event, index: int) -> str:
        """Return by what an event is known again: what it is, or else where it is."""
        try:
            content = self._store.freeze(address, Snapshot(value=event)).value
        except ConfigError:
            return f"number {index}"
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Be the only one, as long as nobody takes too long."""
        try:
            async with asyncio.timeout(_TURN_S):
                await self._turn.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            self._turn.release()


class Care:
    """Hands on the chunks of one source, until it is clear that no care has to be taken.

    Attributes:
        is_over: whether that is clear.
    """

    def __init__(self, source: PullSource[Any, Any], quarantine: Quarantine) -> None:
        self.is_over = False
        self._source, self._quarantine = source, quarantine
        self._pipeline: Any = source.Pipeline
        self._address = source.locate_address()
        self._until_s: float | None = None
        self._guilty: set[str] = set()

    async def hand_on(self, events: Sequence[Event], contexts: Sequence[Context] | None) -> None:
        """Hand on a chunk, all of it or event by event."""
        position: Any = self._source.Position
        if self._until_s is None and await self._is_suspicious(position):
            log.warning(
                "processes died on the way from one checkpoint; the events that follow go alone",
                source=self._address,
                count=len(events),
            )
            await self._hand_on_alone(position, events, contexts)
            self._until_s = self._pipeline.Clock.monotonic() + CAREFUL_S
            return
        if self._until_s is None:
            self.is_over = True
        else:
            await self._quarantine.count(self._address, ["chunk", position])
        await self._pipeline.process_many(events, contexts)

    async def handed_on(self) -> None:
        """Take note that the position of the source has moved on."""
        if self._until_s is not None:
            await self._pipeline.checkpoint()
            self.is_over = self._pipeline.Clock.monotonic() >= self._until_s

    async def _is_suspicious(self, position: Any) -> bool:
        """Tell whether a chunk may have the event that kills, and who was alone in crashes."""
        quarantine, address = self._quarantine, self._address
        try:
            earlier = await quarantine.begun(address)
        except TransientError as error:
            log.warning("cannot find out about crashes", source=address, error=str(error))
            return False
        times = await quarantine.count(address, position)
        self._guilty = {
            what[2]
            for what, count in earlier
            if count >= CRASHES_ALONE and isinstance(what, list) and what[:2] == ["died", position]
        }
        was_careful = any(what == ["chunk", position] for what, _ in earlier)
        return was_careful or times > quarantine.max_crashes

    async def _hand_on_alone(
        self, position: Any, events: Sequence[Event], contexts: Sequence[Context] | None
    ) -> None:
        pipeline, quarantine = self._pipeline, self._quarantine
        for index, event in enumerate(events):
            await pipeline.ready()
            name = quarantine.name(self._address, event, index)
            context = cut(contexts, index, index + 1)
            if name in self._guilty:
                self._reject({} if context is None else context[0], event)
                continue
            async with quarantine.turn():
                await quarantine.alone([self._address, position, name])
                waiting = pipeline.App.spawn(self._absolve(), name="quarantine")
                try:
                    await pipeline.process_many([event], context)
                    await _come_to_rest(pipeline.App.CheckpointService.together(pipeline))
                except asyncio.CancelledError:
                    if pipeline.State is State.DRAINING:
                        # It was stopped while it waited, which is no crash.
                        await asyncio.shield(quarantine.alone(_NOBODY))
                    raise
                finally:
                    waiting.cancel()
        await quarantine.alone(_NOBODY)

    async def _absolve(self) -> None:
        await self._pipeline.Clock.sleep(KILLS_WITHIN_S)
        await self._quarantine.alone(_NOBODY)

    def _reject(self, context: Context, event: Event) -> None:
        self._pipeline.reject([(context, event)], crash_of(self._address), self._source)


class CareForLetters:
    """Chooses which dead letters are replayed together: all, or one after the other.

    Attributes:
        is_at_fault: whether processes have died of the only one that was chosen.
    """

    def __init__(self, quarantine: Quarantine | None) -> None:
        self.is_at_fault = False
        self._quarantine, self._is_careful = quarantine, False

    async def choose(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """Return with which letters to begin; to be called again when a checkpoint has them."""
        if self._quarantine is None:
            return letters
        first, most = letters[0], self._quarantine.max_crashes
        what = [first.id, first.replayed_at_s]
        times = await self._quarantine.count(f"{first.pipeline} letters", what)
        self.is_at_fault = times > most + CRASHES_ALONE
        self._is_careful = self._is_careful or times > most
        return letters[:1] if self._is_careful else letters


def crash_of(address: str) -> CrashError:
    """Return the error of an event that kills."""
    return CrashError(
        f"{address}: the process died {CRASHES_ALONE} times while nothing but this event was on"
        f" its way [{CrashError.Code}]"
    )


async def _come_to_rest(pipelines: Sequence[Pipeline]) -> None:
    """Wait until nothing is on its way and sinks have written what they have."""
    standing: set[Any] = set()
    resting = [Standstill(pipeline) for pipeline in pipelines]
    try:
        for standstill in resting:
            await standstill.drain(standing)
            standing.add(standstill.pipeline)
    finally:
        for standstill in resting:
            standstill.let_go()
