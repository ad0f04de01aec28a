"""The parts of a running pipeline that are opened, driven, flushed and closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import NotConnectedError, TransientError
from bspump.abc.options import RetryOptions
from bspump.abc.processor import AsyncProcessor, ProcessorBase
from bspump.abc.sink import Sink

from .drive_sink import SinkDriver
from .retry import Backoff

if TYPE_CHECKING:
    from .pipeline import Pipeline
    from .run import Run

_AGAIN_S = 1.0
"""So long after an error that was called harmless a part is opened again."""

_GONE_S = 10.0
"""So long a part that was taken out may take to end."""


class Parts:
    """Sinks and asynchronous processors of one run, whenever they join and leave it.

    Args:
        pipeline: what it is made of may change at any time.
        drivers: of its batch sinks; those that were taken out are removed.
        run: whose tasks do the work.
    """

    def __init__(
        self, pipeline: Pipeline, drivers: dict[ProcessorBase, SinkDriver], run: Run
    ) -> None:
        self._pipeline, self._drivers, self._run = pipeline, drivers, run
        self._opened: list[Sink | AsyncProcessor] = []
        self._driving: dict[ProcessorBase, asyncio.Task[Any]] = {}
        self._opening = asyncio.Lock()

    async def open_new(self) -> bool:
        """Open all parts that are not open yet; False if the run is to end before they are.

        What cannot be opened now is tried again, until it works.
        """
        async with self._opening:
            for part in self._pipeline.iter_processors():
                if part in self._drivers and part not in self._driving:
                    work = self._drivers[part].run()
                    self._driving[part] = self._run.spawn(work, name=repr(part))
            for part in self._pipeline.iter_processors():
                if self._is_to_be_opened(part) and not await self._open(part):
                    return False
        return True

    def are_all_open(self) -> bool:
        """Tell whether no part was added since they were opened."""
        return not any(
            self._is_to_be_opened(part) or (part in self._drivers and part not in self._driving)
            for part in self._pipeline.iter_processors()
        )

    def _is_to_be_opened(self, part: ProcessorBase) -> bool:
        return isinstance(part, Sink | AsyncProcessor) and part not in self._opened

    async def _open(self, part: Any) -> bool:
        pipeline, run, backoff = self._pipeline, self._run, Backoff(RetryOptions())
        while not run.is_stopping():
            try:
                is_open = await run.unless(run.stopping(), part.open())
            except (NotConnectedError, TransientError) as error:
                wait_s = backoff.next_s(error) or 0.0
                pipeline.L.warning(
                    "cannot open", part=part.Id, error=str(error), retry_in_s=round(wait_s, 3)
                )
                await run.unless(run.stopping(), pipeline.Clock.sleep(wait_s))
            except Exception as error:  # noqa: BLE001 - shown; the operator may clear it
                pipeline.set_error(None, None, error)
                if not pipeline.has_error():
                    await run.unless(run.stopping(), pipeline.Clock.sleep(_AGAIN_S))
                await run.unless(run.stopping(), pipeline.error_cleared())
            else:
                # One that was cut off may have made something as well, so it is closed, too.
                self._opened.append(part)
                return is_open
        return False

    async def flush(self) -> None:
        """Make durable what they have taken; all are tried, then the first error is raised."""
        errors: list[Exception] = []
        for part in list(self._driving):
            await self._drivers[part].flush()
        for sink in self._opened_sinks():
            try:
                await sink.flush()
            except Exception as error:  # noqa: BLE001 - it is raised below
                errors.append(error)
        if errors:
            raise errors[0]

    async def flush_as_far_as_possible(self, within_s: float) -> None:
        """Make durable what they have taken, but leave alone what an error holds up."""
        for part in list(self._driving):
            await self._drivers[part].flush(patiently=False)
        for sink in self._opened_sinks():
            await self._run.attempt(sink.flush(), "flush", sink, within_s)

    def _opened_sinks(self) -> list[Sink]:
        return [part for part in self._opened if isinstance(part, Sink)]

    def unwritten(self) -> int:
        """Return how many events batch sinks have taken and not written yet."""
        return sum(map(len, self._drivers.values()))

    async def write_what_goes(self) -> None:
        """Let batch sinks that were taken out write what they have."""
        for part in self._gone():
            if part in self._driving:
                await self._run.unless(self._run.stopping(), self._drivers[part].flush())

    async def close_gone(self) -> None:
        """Close the parts that were taken out."""
        for part in self._gone():
            if part in self._driving:
                task = self._driving.pop(part)
                del self._drivers[part]
                task.cancel()
                await asyncio.wait([task], timeout=_GONE_S)
                continue
            self._opened.remove(part)
            if isinstance(part, Sink):
                await self._run.attempt(part.flush(), "flush", part, _GONE_S)
            await self._run.attempt(part.close(), "close", part, _GONE_S)

    def _gone(self) -> list[Any]:
        parts = set(self._pipeline.iter_processors())
        return [part for part in [*self._driving, *self._opened] if part not in parts]

    async def close_all(self, within_s: float) -> None:
        """Close all that were opened, the last one first; the tasks of the drivers have ended."""
        self._driving.clear()
        while self._opened:
            part = self._opened.pop()
            await self._run.attempt(part.close(), "close", part, within_s)
