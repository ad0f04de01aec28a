"""A pipeline at rest: nothing is on its way, and sinks have written what they took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bspump.abc.host import Pipeline as AnyPipeline

if TYPE_CHECKING:
    from collections.abc import Collection

    from .drive_epochs import TransactionDriver
    from .drive_source import SourceDriver
    from .pipeline import Pipeline

_AGAIN_S = 1.0
"""So long after an error that was called harmless sinks are asked again."""


class Standstill:
    """Brings one pipeline to rest, in steps, and lets it go on.

    Args:
        pipeline: the pipeline.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._paused: list[SourceDriver] = []
        self._hurried: list[TransactionDriver] = []
        self._everywhere = object()

    async def pause_sources(self) -> None:
        """Let pull sources stop between two chunks, so that their positions are exact."""
        self.pipeline.Asides.make_way(True)
        for transaction in self.pipeline.transactions():
            # One that waits for a checkpoint must not keep a chunk, and so the checkpoint, waiting.
            self._hurried.append(transaction)
            transaction.hurry()
        for driver in self.pipeline.drivers_of_sources().values():
            self._paused.append(driver)
            await driver.pause(self)

    async def drain(self, standing: Collection[AnyPipeline]) -> None:
        """Let out what has entered, and what came from pipelines that stand still already."""
        pipeline, flow = self.pipeline, self.pipeline.Flow
        for source in pipeline.Sources:
            feeders = source.feeders()
            if feeders and all(feeder in standing for feeder in feeders):
                await source.emptied()
        flow.keep_out(self)
        await flow.stand_by(flow.nothing_left())
        # Nor may anything begin in the middle, where timers hand on what processors hold.
        flow.gate.close(self._everywhere)
        try:
            await pipeline.flush()
        except Exception as error:  # noqa: BLE001 - the pipeline owns the errors of its sinks
            pipeline.set_error(None, None, error)
            await pipeline.Clock.sleep(_AGAIN_S)

    def is_complete(self) -> bool:
        """Tell whether nothing has happened since: it may have, while something was awaited."""
        pipeline = self.pipeline
        drivers = list(pipeline.drivers_of_sources().values())
        return (
            pipeline.Flow.under_way() == 0
            and pipeline.are_sinks_idle()
            and all(driver.is_paused() for driver in drivers)
            and len(drivers) == len(self._paused)
        )

    def let_go(self) -> None:
        """Undo `drain`."""
        self.pipeline.Flow.gate.open(self._everywhere)
        self.pipeline.Flow.let_in(self)

    def end(self) -> None:
        """Let the pipeline go on."""
        self.pipeline.Asides.make_way(False)
        self.let_go()
        while self._hurried:
            self._hurried.pop().relax()
        while self._paused:
            self._paused.pop().resume(self)
