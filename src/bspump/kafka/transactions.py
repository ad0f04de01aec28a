"""Transactions of a producer that contain the number of the epoch; all of it blocks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from bspump.abc.errors import ConfigError, NotConnectedError, PumpError, TransientError
from bspump.abc.extras import require
from bspump.abc.sink import EpochId

from .errors import translated
from .settings import EXTRA

if TYPE_CHECKING:
    from .connection import Client, KafkaConnection

_FENCED: Final = {"_FENCED", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"}
_ABORT_WITHIN_S: Final = 5.0
_AGAIN_S: Final = 0.1
# The engine gives up a moment later, and then has to wait for the thread.
_IN_TIME: Final = 0.9

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
        timeout_s: for all that is necessary to commit.
        lasts_s: after that the broker aborts a transaction by itself.

    Attributes:
        is_broken: something has failed in the open transaction, so all of it is to be repeated.
    """

    def __init__(
        self, connection: KafkaConnection, client: Client, id: str, place: str, *,
        timeout_s: float, lasts_s: float,
    ) -> None:  # fmt: skip
        self._connection, self._client, self._id, self._place = connection, client, id, place
        self._group, self._lasts_s = f"bspump-epochs-{id}", lasts_s
        self._timeout_s = timeout_s * _IN_TIME
        self._marker: Any = None
        self._begun_at_s: float | None = None
        self.is_broken = False

    def prepare(self) -> None:
        """Take over from whoever used the id before: its open transaction is aborted.

        Raises:
            NotConnectedError: it cannot be done now.
            TransientError: the topic that carries the epoch is not there.
        """
        self._check_place()
        within_s = self._connection.Options.connect_timeout
        self._call(self._client.Handle.init_transactions, within_s)
        own = {
            "group.id": self._group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
        self._marker = self._connection.make_client("Consumer", own).Handle

    def _check_place(self) -> None:
        within_s = self._connection.Options.connect_timeout
        found = self._call(self._client.Handle.list_topics, within_s, self._place)
        error = found.topics[self._place].error
        if error is not None:
            raise TransientError(
                f"{self._connection.Where}: topic {self._place!r} has to carry the number of the"
                f" checkpoint: {error.str()}\n"
                "  what to do: create it, or name one that exists as `epochs_topic`"
            )

    def close(self) -> None:
        """Abort what is open, so that readers need not wait for it, and disconnect."""
        kafka = require("confluent_kafka", extra=EXTRA)
        if self._begun_at_s is not None and self._client.Fatal is None:
            # Who comes next, or the broker after a while, aborts it, too.
            with contextlib.suppress(kafka.KafkaException):
                self._client.Handle.abort_transaction(_ABORT_WITHIN_S)
        self._begun_at_s = None
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
        if self._begun_at_s is None:
            self._begun_at_s = time.monotonic()
            self._call(self._client.Handle.begin_transaction, None)

    def commit(self, epoch: EpochId, progress: Sequence[Progress]) -> None:
        """Commit what was written, the epoch, and the offsets of sources."""
        kafka = require("confluent_kafka", extra=EXTRA)
        until_s = time.monotonic() + self._timeout_s
        self.begin()
        place = kafka.TopicPartition(self._place, 0, epoch.number, metadata=epoch.lineage)
        for places, group in [([place], self._marker.consumer_group_metadata()), *progress]:
            left_s = until_s - time.monotonic()
            self._call(self._client.Handle.send_offsets_to_transaction, left_s, places, group)
        self._call(self._client.Handle.commit_transaction, until_s - time.monotonic())
        self._begun_at_s = None

    def last(self) -> EpochId | None:
        """Return the epoch that was committed last."""
        kafka = require("confluent_kafka", extra=EXTRA)
        places = [kafka.TopicPartition(self._place, 0)]
        within_s = self._connection.Options.connect_timeout
        (found,) = self._call(
            lambda left_s: self._marker.committed(places, timeout=left_s), within_s
        )
        return EpochId(found.metadata, found.offset) if found.offset >= 0 else None

    def _call(self, request: Callable[..., Any], within_s: float | None, *args: Any) -> Any:
        """Make a request, again where the client asks for that and there is time.

        Args:
            request: takes `args`, and last how many seconds it may take.
            within_s: that; `None` for a request that does not ask the broker.
            args: of the request.
        """
        kafka = require("confluent_kafka", extra=EXTRA)
        until_s = time.monotonic() + (within_s or 0.0)
        wait_s = 0.0
        while True:
            limit = [] if within_s is None else [max(_AGAIN_S, until_s - time.monotonic())]
            try:
                self._client.Handle.poll(wait_s)
                return request(*args, *limit)
            except kafka.KafkaException as raised:
                error = raised.args[0]
                if not error.retriable() or time.monotonic() + _AGAIN_S > until_s:
                    self.is_broken = True
                    raise self.instruction(error) from raised
            wait_s = _AGAIN_S

    def instruction(self, error: Any) -> PumpError:
        """Return what is to be done about an error after which the transaction is over."""
        found = translated(error, self._connection.Where)
        if error.name() in _FENCED and not self._has_expired():
            return ConfigError(
                f"{found}\n  another process uses the transactional id {self._id!r}\n"
                "  what to do: end that process, or give one of both another `transactional.id`"
            )
        if not error.fatal() and isinstance(found, ConfigError):
            return found
        # All of it is repeated with a new client.
        return NotConnectedError(str(found))

    def _has_expired(self) -> bool:
        """Tell whether the broker may have aborted the transaction because it took too long."""
        return self._begun_at_s is not None and time.monotonic() - self._begun_at_s >= self._lasts_s
