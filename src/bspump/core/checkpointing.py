"""How a pipeline asks for checkpoints, and what it may expect of them."""

from __future__ import annotations

from .throttling import Throttling


class Checkpointing(Throttling):
    """A pipeline as far as checkpoints are asked for."""

    async def checkpoint(self) -> None:
        """Take a checkpoint of the pipeline and all it is connected to, and wait for it.

        Then all that was passed before is durable and committed; sources are told soon. While the
        pipeline has an error it waits.
        """
        await self.Flow.stand_by(self.App.CheckpointService.checkpoint(self))

    def is_durable(self) -> bool:
        """Tell whether checkpoints outlive the process."""
        return bool(self.App.CheckpointService.is_durable)

    def lineage(self) -> str:
        """Return the name of the store of checkpoints; another store has another one."""
        return str(self.App.CheckpointService.lineage)

    def request_checkpoint(self) -> None:
        """Ask for a checkpoint soon: too much waits for it to be acknowledged or committed."""
        self.App.CheckpointService.request(self)
