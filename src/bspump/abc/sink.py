"""The contracts of sinks: where events end up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from .capabilities import Can
from .options import BatchOptions, Duration, Options, RetryOptions
from .processor import ProcessorBase

if TYPE_CHECKING:
    from .host import Context, Event

OptionsT = TypeVar("OptionsT", bound="BatchSinkOptions")

_SIZED = (bytes, bytearray, str)


class Sink(ProcessorBase):
    """The destination of a pipeline, its last part.

    What `process` has taken counts as delivered; a sink that keeps events for a while writes
    them in `flush`. Like a processor it may define `process_batch(contexts, events)`.
    """

    def process(self, context: Context, event: Event, /) -> None:
        """Take one event. What it raises is the error of this event alone."""
        raise NotImplementedError(f"{type(self).__name__}.process")

    async def open(self) -> None:
        """Open the destination; called once before the first event of a run."""

    async def flush(self) -> None:
        """Make everything taken so far durable; called at checkpoints and at the end."""

    async def close(self) -> None:
        """Close the destination, after a last `flush`; called once, also after a cancel."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to be written together, with their contexts; both lists have the same length."""

    events: Sequence[Any]
    contexts: Sequence[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.events)

    def take(self, indexes: Iterable[int]) -> Batch:
        """Return the batch of the events at `indexes`, in that order."""
        chosen = list(indexes)
        return Batch([self.events[i] for i in chosen], [self.contexts[i] for i in chosen])


class BatchSinkOptions(Options, frozen=True, kw_only=True):
    """What every batch sink can be told."""

    batch: BatchOptions = BatchOptions()
    retry: RetryOptions = RetryOptions()
    write_timeout: Duration = 60.0


class BatchSink(ProcessorBase, Generic[OptionsT]):
    """A destination that is written in batches. The engine batches, retries and reconnects.

    A full batcher holds the pipeline back, so memory is bounded by two batches. Nothing that
    was not written or rejected is ever let go: on `ExhaustedError` the pipeline stops with an
    error and the batch is written again once the error is cleared.
    """

    OptionsClass: ClassVar[type[Options]] = BatchSinkOptions
    Capabilities: ClassVar[Can] = Can.NOTHING
    Options: OptionsT

    async def connect(self) -> None:
        """Connect.

        Raises:
            NotConnectedError, TransientError: not possible now; the engine tries again.
            ConfigError: it can never work; the pipeline stops with this error.
        """

    async def write(self, batch: Batch, /) -> None:
        """Write the batch; when it returns, the destination has confirmed all of it.

        When it is cancelled any part may have been written, and the engine will ask for all
        of it again.

        Raises:
            NotConnectedError: connect again, then write the same batch.
            TransientError: write the same batch later.
            RejectedError: the batch as it is will never be accepted. The engine writes its
                halves, down to the events at fault, and sets these aside.
            PartialWriteError: some events failed; all the others were written.
        """
        raise NotImplementedError(f"{type(self).__name__}.write")

    def size_bytes(self, event: Event, /) -> int:
        """Return what `event` counts towards `batch.max_bytes`."""
        return len(event) if isinstance(event, _SIZED) else 0

    async def close(self) -> None:
        """Disconnect; called once, also after a cancel, and before each reconnect."""
