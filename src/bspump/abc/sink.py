"""The contracts of sinks: where events end up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar

from msgspec import Meta

from .capabilities import Can
from .options import BatchOptions, Duration, Options, RetryOptions, Size
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


class EpochId(NamedTuple):
    """Names a checkpoint for good.

    Args:
        lineage: of the store that counts the epochs; another store has another one.
        number: of the epoch, greater than that of all before.
    """

    lineage: str
    number: int


class TransactionOptions(Options, frozen=True, kw_only=True):
    """How much belongs to one transaction of a sink, and so to one checkpoint."""

    max_events: Annotated[
        int, Meta(ge=1, description="Events after which a checkpoint is asked for.")
    ] = 100_000
    max_bytes: Annotated[Size, Meta(description="Bytes after which a checkpoint is asked for.")] = (
        64 * 1024**2
    )
    timeout: Annotated[
        Duration, Meta(description="Seconds that preparing or committing may take.")
    ] = 60.0


class TransactionalSinkOptions(BatchSinkOptions, frozen=True, kw_only=True):
    """What every transactional sink can be told."""

    transaction: TransactionOptions = TransactionOptions()


class TwoPhaseSink(BatchSink[OptionsT]):
    """A destination that can promise to commit: files that are renamed, multipart uploads.

    What `write` has taken is seen by nobody until `commit`, and outlasts `close`. The engine
    calls `prepare` when everything of an epoch was written, stores the token in the checkpoint,
    then commits. Nothing is written between `prepare` and the end of `commit`. After a crash it
    commits what the checkpoint has, and `abort` takes back everything else.
    """

    OptionsClass: ClassVar[type[Options]] = TransactionalSinkOptions

    async def prepare(self, epoch: EpochId, /) -> Any:
        """Make what was written durable, and return what `commit` needs, as plain data.

        `None`: nothing was written. Errors are those of `write`; it is called again then.
        """
        raise NotImplementedError(f"{type(self).__name__}.prepare")

    async def commit(self, token: Any, /) -> None:
        """Let what was prepared be seen. Repeating it, after a crash as well, is harmless.

        Errors are those of `write`; it is called again then, until it succeeds.
        """
        raise NotImplementedError(f"{type(self).__name__}.commit")

    async def abort(self) -> None:
        """Take back what was written and is not committed, after those of the checkpoint were.

        Called once, after `connect`, before the first `write` in this process. Errors are those
        of `connect`.
        """
        raise NotImplementedError(f"{type(self).__name__}.abort")

    def is_transactional(self) -> bool:
        """Tell whether it works like this; if not, it is a plain batch sink, `write` confirms."""
        return True


class EpochSink(BatchSink[OptionsT]):
    """A destination with transactions that also keep the number of the epoch: databases, Kafka.

    `write` works in an open transaction; `commit` ends it and stores the epoch in it, so that
    the destination itself tells whether an epoch happened. The engine keeps the batches of an
    epoch until then: when the connection or the transaction is lost, it connects again and
    writes all of them again, in a new transaction.
    """

    OptionsClass: ClassVar[type[Options]] = TransactionalSinkOptions

    async def commit(self, epoch: EpochId, positions: Mapping[str, Any], /) -> None:
        """Commit what was written, with the name of the epoch, as one.

        Args:
            epoch: of the checkpoint.
            positions: of the sources, by their address, up to which events were written.

        Called for every epoch, also if nothing was written. Errors are those of `write`. Whether
        it was committed after all is then asked by `committed`, after `connect`.
        """
        raise NotImplementedError(f"{type(self).__name__}.commit")

    async def committed(self) -> EpochId | None:
        """Return the last epoch that the destination has committed for this sink, if any.

        Called after `connect`, when nothing was written yet. Errors are those of `connect`.
        """
        raise NotImplementedError(f"{type(self).__name__}.committed")

    def is_transactional(self) -> bool:
        """Tell whether it works like this; if not, it is a plain batch sink, `write` confirms."""
        return True
