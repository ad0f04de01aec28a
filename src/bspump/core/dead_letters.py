"""Dead letters of an application: replaying them into the pipelines that they came from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from bspump.abc.dead_letters import DeadLetter, DeadLetterStore, LetterFilter
from bspump.abc.errors import ConfigError, TransientError

from .lifecycle import State
from .log import get_logger
from .quarantine import CareForLetters, crash_of
from .service import Service

if TYPE_CHECKING:
    from .application import BSPumpApplication
    from .pipeline import Pipeline

log = get_logger(__name__)

NOT_REPLAYED = LetterFilter(is_replayed=False)
"""Dead letters that were not replayed yet."""

_LOOK_EVERY_S: Final = 1.0
_AT_A_TIME: Final = 500
"""So many letters come back in one checkpoint."""

_REST = 100
"""After so many events other tasks run."""


class DeadLetterService(Service):
    """Finds what somebody wants to be replayed, in this process or another, and replays it.

    A replayed event enters at the processor that had failed, or at the beginning where there is no
    such processor any more or a source had rejected it. It goes the way of all events: in the
    checkpoint that has what became of it, the letter is marked as replayed. After a crash before
    that it is replayed by the next process. If the event fails again, there is another letter.
    """

    def __init__(
        self, app: BSPumpApplication, service_name: str = "bspump.DeadLetterService"
    ) -> None:
        super().__init__(app, service_name)
        self._asked = asyncio.Event()
        self._has_looked = False
        self._looking: asyncio.Task[None] | None = None
        self._replays: dict[Pipeline, asyncio.Task[None]] = {}
        self._entered: dict[Pipeline, dict[int, float | None]] = {}

    @property
    def Store(self) -> DeadLetterStore:
        """Where they are kept.

        Raises:
            ConfigError: nowhere.
        """
        store = self.App.CheckpointService.Store
        if store is None:
            raise ConfigError(
                f"dead letters are kept nowhere [{ConfigError.Code}]\n"
                "  what to do: set `var_dir` in [general] to a directory"
            )
        return store.dead_letters

    async def replay(self, which: LetterFilter = NOT_REPLAYED) -> int:
        """Ask for letters to be replayed, and return how many these are; they follow soon.

        Those of pipelines that are not here wait until these are. What became of a letter is seen
        in the store: `replayed_at_s`, and perhaps another letter.
        """
        count = await self.Store.request_replay(which)
        self._asked.set()
        return count

    def is_busy(self) -> bool:
        """Tell whether events are still to come out of it."""
        if self._looking is None or self._looking.done():
            return False
        return not self._has_looked or any(
            pipeline.State in (State.RUNNING, State.PAUSED) for pipeline in self._replays
        )

    async def initialize(self, app: BSPumpApplication) -> None:
        if app.CheckpointService.is_durable:
            self._looking = app.spawn(self._look_again_and_again(), name="dead letters")

    async def finalize(self, app: BSPumpApplication) -> None:
        tasks = [*self._replays.values(), *filter(None, [self._looking])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _look_again_and_again(self) -> None:
        while True:
            self._asked.clear()
            try:
                await self._look()
            except TransientError as error:
                log.warning("cannot look for dead letters to replay", error=str(error))
            self._has_looked = True
            self.App.PumpService.check_finished()
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._asked.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        if not await self.Store.find(LetterFilter(is_requested=True), limit=1):
            return
        for pipeline in list(self.App.PumpService.Pipelines.values()):
            if pipeline in self._replays or not await self._find(pipeline, limit=1):
                continue
            task = self.App.spawn(self._replay(pipeline), name=f"replay into {pipeline.Id}")
            self._replays[pipeline] = task
            task.add_done_callback(partial(self._done, pipeline))

    def _done(self, pipeline: Pipeline, _task: asyncio.Task[None]) -> None:
        self._replays.pop(pipeline, None)
        self.App.PumpService.check_finished()

    async def _find(self, pipeline: Pipeline, limit: int) -> dict[int, float | None]:
        """Return letters to be replayed, with the time when they were the last time."""
        which = LetterFilter(pipeline=pipeline.Id, is_requested=True)
        return {each.id: each.replayed_at_s for each in await self.Store.find(which, limit=limit)}

    async def _replay(self, pipeline: Pipeline) -> None:
        """Replay until no more is asked for."""
        care = CareForLetters(self.App.CheckpointService.Quarantine)
        try:
            while page := await self._find(pipeline, _AT_A_TIME):
                # What has entered stays requested until a checkpoint has it.
                entered = self._entered.get(pipeline, {})
                entered = {
                    i: at_s for i, at_s in page.items() if i in entered and entered[i] == at_s
                }
                self._entered[pipeline] = entered
                fresh = page.keys() - entered.keys()
                if not fresh:
                    return
                letters = await care.choose(await self.Store.read(fresh))
                for count, letter in enumerate(letters):
                    await pipeline.ready()
                    if not count % _REST:
                        await pipeline.Flow.breathe()
                        await pipeline.ready()
                    pipeline.Asides.replay(letter, _entry(pipeline, letter, care.is_at_fault))
                    entered[letter.id] = letter.replayed_at_s
                log.info("dead letters are replayed", pipeline=pipeline.Id, count=len(letters))
                await pipeline.checkpoint()
        except TransientError as error:
            log.warning("cannot replay dead letters", pipeline=pipeline.Id, error=str(error))


def _entry(pipeline: Pipeline, letter: DeadLetter, is_at_fault: bool) -> Callable[[], None]:
    """Return what lets the event of a letter enter where it failed; or fail again, at once."""
    context = {k: v for k, v in letter.context.items() if k not in letter.odd_context}
    if is_at_fault:
        part = pipeline.locate_source(letter.part) or pipeline.locate_processor(letter.part)
        error = crash_of(f"{pipeline.Id}.{letter.part}")
        return partial(pipeline.reject, [(context, letter.event)], error, part)
    chain = pipeline.Flow.chain
    number = next((i for i, part in enumerate(chain.processors) if part.Id == letter.part), 0)
    if chain.processors[number].Id != letter.part and pipeline.locate_source(letter.part) is None:
        log.warning(
            "the part where it failed is gone; a dead letter enters at the beginning",
            pipeline=pipeline.Id,
            part=letter.part,
            letter=letter.id,
        )
    chain.counts.entered[chain.depth_of(number)] += 1
    return partial(chain.entry(number), context, letter.event)
