"""How a pipeline asks for checkpoints, and what it may expect of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bspump.abc.source import PullSource

from .throttling import Throttling

if TYPE_CHECKING:
    from .quarantine import Care


class Checkpointing(Throttling):
    """A pipeline as far as checkpoints are asked for."""

    async def checkpoint(self) -> None:
        """Take a checkpoint of the pipeline and all it is connected to, and wait for it.

        Then all that was passed before is durable and committed; sources are told soon. While the
        pipeline has an error it waits.
        """
        await self.Flow.stand_by(self.App.CheckpointService.checkpoint(self))

    def care_for(self, source: PullSource[Any, Any]) -> Care | None:
        """Return who hands on the first chunks of a source, in case processes died of them."""
        care: Care | None = self.App.CheckpointService.care_for(source)
        return care

    def is_durable(self) -> bool:
        """Tell whether checkpoints outlive the process."""
        return bool(self.App.CheckpointService.is_durable)

    def lineage(self) -> str:
        """Return the name of the store of checkpoints; another store has another one."""
        return str(self.App.CheckpointService.lineage)

    def request_checkpoint(self) -> None:
        """Ask for a checkpoint soon: too much waits for it to be acknowledged or committed."""
        self.App.CheckpointService.request(self)
