"""Transactions of a producer that contain the number of the epoch; all of it blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from bspump.abc.errors import ConfigError, NotConnectedError, PumpError, TransientError
from bspump.abc.extras import require
from bspump.abc.sink import EpochId

from .errors import translated
from .settings import EXTRA

if TYPE_CHECKING:
    from .connection import Client, KafkaConnection

_RETRIES: Final = 5

Progress = tuple[list[Any], Any]
"""Offsets of a source that belong to a transaction, and the metadata of its group."""


class Transaction:
    """The open transaction of one producer, and the epoch that was committed with the last one.

    The epoch is an offset like those of consumers, of a group that has no members: the broker
    commits offsets with a transaction, or not at all. Its metadata are the lineage.

    Args:
        connection: to the cluster.
        client: the producer.
        id: the transactional id.
        place: topic of which partition 0 carries that offset; it must exist.
        timeout_s: for each request.
    """

    def __init__(
        self, connection: KafkaConnection, client: Client, id: str, place: str, timeout_s: float
    ) -> None:
        self._connection, self._client, self._place = connection, client, place
        self._group, self._timeout_s = f"bspump-epochs-{id}", timeout_s
        self._marker: Any = None
        self._is_open = False
        self.is_broken = False

    def prepare(self) -> None:
        """Take over from whoever used the id before: its open transaction is aborted."""
        self._call(self._client.Handle.init_transactions, self._timeout_s)
        own = {"group.id": self._group, "enable.auto.commit": False}
        self._marker = self._connection.make_client("Consumer", own).Handle

    def close(self) -> None:
        """Let go of the connection; what is open is aborted by who comes next."""
        marker, self._marker = self._marker, None
        if marker is not None:
            marker.close()

    def begin(self) -> None:
        """Begin a transaction, unless one is open.

        Raises:
            TransientError: something in the open one has failed; all of it has to be repeated.
        """
        if self.is_broken:
            raise TransientError(f"{self._connection.Where}: the transaction is to be repeated")
        if not self._is_open:
            self._call(self._client.Handle.begin_transaction)
            self._is_open = True

    def commit(self, epoch: EpochId, progress: Progress | None) -> None:
        """Commit what was written, the epoch, and the offsets of a source if there are any."""
        kafka = require("confluent_kafka", extra=EXTRA)
        self.begin()
        send = self._client.Handle.send_offsets_to_transaction
        place = kafka.TopicPartition(self._place, 0, epoch.number, metadata=epoch.lineage)
        self._call(send, [place], self._marker.consumer_group_metadata(), self._timeout_s)
        if progress is not None:
            self._call(send, *progress, self._timeout_s)
        self._call(self._client.Handle.commit_transaction, self._timeout_s)
        self._is_open = False

    def last(self) -> EpochId | None:
        """Return the epoch that was committed last."""
        kafka = require("confluent_kafka", extra=EXTRA)
        places = [kafka.TopicPartition(self._place, 0)]
        (found,) = self._call(self._marker.committed, places, timeout=self._timeout_s)
        return EpochId(found.metadata, found.offset) if found.offset >= 0 else None

    def _call(self, request: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make a request, again where the client asks for that."""
        kafka = require("confluent_kafka", extra=EXTRA)
        for attempt in range(_RETRIES):
            try:
                return request(*args, **kwargs)
            except kafka.KafkaException as raised:
                error = raised.args[0]
                if not (error.retriable() and attempt < _RETRIES - 1):
                    self.is_broken = True
                    raise _instruction(error, self._connection.Where) from raised
        return None


def _instruction(error: Any, where: str) -> PumpError:
    found = translated(error, where)
    if error.fatal() or not isinstance(found, ConfigError):
        # Another producer with this id, or one that has timed out: begin anew in any case.
        return NotConnectedError(str(found))
    return found
