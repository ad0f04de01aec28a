"""Events of a replication slot from a position on: a stream, and what its messages amount to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from bspump.abc.errors import NotConnectedError, TransientError

from .changes import ChangeAssembler, Event, Load
from .pgoutput import decode
from .slot import check_position, find_slot
from .stream import Data, Keepalive, ReplicationStream

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from bspump.abc.clock import Clock

    from .connection import PostgreSQLConnection
    from .replication_options import PostgreSQLReplicationSourceOptions

# Other tasks get their turn, also while nothing but empty transactions come.
_AT_A_TIME = 10_000
# A server frees a slot a moment after the connection of its reader has ended.
_FREE_WITHIN_S = 3.0
_FREE_EVERY_S = 0.05


class ChangePosition(TypedDict):
    """Where to read on: after so many events that follow what was committed before `lsn`.

    With `lsn` 0 the initial snapshot is being read, and `events` of its rows were; `snapshot`
    says which one it is.
    """

    lsn: int
    events: int
    snapshot: NotRequired[int]


class ChangeFeed:
    """Reads the changes of a slot, in the order of their commits.

    Args:
        stream: has been started at `position`.
        position: where that is.
        is_default: that is where the slot had been confirmed, for want of a position.
        options: how much is read at a time.
        clock: of the application.
    """

    def __init__(
        self,
        stream: ReplicationStream,
        position: ChangePosition,
        is_default: bool,
        options: PostgreSQLReplicationSourceOptions,
        clock: Clock,
    ) -> None:
        self.stream = stream
        self._options, self._clock = options, clock
        self._assembler = ChangeAssembler(
            lambda oid: _loader(stream.connection, oid), position["lsn"], position["events"]
        )
        self._start, self._is_default = position, is_default
        self._held: Data | None = None
        self._has_more = False

    def is_at(self, position: ChangePosition | None) -> bool:
        """Tell whether the next read begins at `position`."""
        if position is None:
            return self._is_default and self.position == self._start
        return self.position == position

    @property
    def position(self) -> ChangePosition:
        """Where the next read begins."""
        assembler = self._assembler
        if assembler.lsn == self._start["lsn"]:
            # What is not returned again counts as if it had been.
            return {"lsn": assembler.lsn, "events": max(assembler.events, self._start["events"])}
        return {"lsn": assembler.lsn, "events": assembler.events}

    async def read(self, within_s: float) -> Sequence[Event]:
        """Return the next events, up to the end of a transaction or the limits of one read.

        None are returned if there are none within so many seconds. Cancelled, it may have moved
        on: `is_at` tells.

        Raises:
            psycopg.Error: the connection is lost, or the server refuses to go on.
            NotConnectedError: the server has been silent for too long.
        """
        events: list[Event] = []
        size_bytes = 0
        until_s = self._clock.monotonic() + within_s
        while True:
            size_bytes = self._take(events, size_bytes)
            left_s = until_s - self._clock.monotonic()
            is_whole = bool(events) and self._assembler.is_between
            if is_whole or self._held is not None or left_s <= 0:
                break
            await (self._clock.sleep(0) if self._has_more else self.stream.wait(left_s))
        limit_s = self._options.timeout
        silent_s = self._clock.monotonic() - self.stream.heard_at
        if not events and limit_s and silent_s > limit_s:
            raise NotConnectedError(f"the server has been silent for {silent_s:.0f} s")
        return events

    def _take(self, events: list[Event], size_bytes: int) -> int:
        """Add what has come to `events`, and hold what exceeds the limits; return the new size.

        The end of a transaction never exceeds them, so that one which just fits is complete.
        """
        assembler, options = self._assembler, self._options
        most, most_bytes = options.chunk_events, options.chunk_bytes
        for _ in range(_AT_A_TIME):
            message = self._next()
            self._has_more = message is not None
            if message is None:
                break
            if isinstance(message, Data):
                if (len(events) >= most or size_bytes > most_bytes) and message.is_change:
                    self._held = message
                    break
                size_bytes += len(message.payload)
                if (change := decode(message.payload)) is not None:
                    events += assembler.feed(change)
            elif assembler.is_between:
                # Otherwise a quiet table would let the server keep its log for ever.
                assembler.advance(message.lsn)
        return size_bytes

    def _next(self) -> Data | Keepalive | None:
        if self._held is None:
            return self.stream.next_nowait()
        held, self._held = self._held, None
        return held


async def open_feed(
    connection: PostgreSQLConnection,
    options: PostgreSQLReplicationSourceOptions,
    position: ChangePosition | None,
    durable_lsn: int,
    clock: Clock,
) -> ChangeFeed:
    """Start to read a slot at `position`; `None` is where it has been confirmed.

    Args:
        connection: to open one of.
        options: names of the slot and the publication.
        position: where to begin.
        durable_lsn: what has been acknowledged, even if the server has not heard of it yet.
        clock: of the application.

    Raises:
        TransientError: somebody else reads the slot.
        ConfigError: the slot cannot go on at this position.
    """
    name = options.slot_name
    replication = await connection.open(replication="database")
    try:
        with connection.errors():
            slot = await _free_slot(replication, name, clock)
            if slot is None or position is not None:
                check_position(slot, name, position["lsn"] if position else 0)
            confirmed_lsn = slot.confirmed_lsn if slot else 0
            start: ChangePosition = position or {"lsn": confirmed_lsn, "events": 0}
            durable_lsn = max(durable_lsn, confirmed_lsn)
            stream = ReplicationStream(replication, clock, durable_lsn)
            await stream.start(name, options.publication or name, start["lsn"])
    except BaseException:
        await replication.close()
        raise
    return ChangeFeed(stream, start, position is None, options, clock)


async def _free_slot(connection: AsyncConnection[Any], name: str, clock: Clock) -> Any:
    until_s = clock.monotonic() + _FREE_WITHIN_S
    while True:
        slot = await find_slot(connection, name)
        if slot is None or slot.active_pid is None:
            return slot
        if clock.monotonic() > until_s:
            raise TransientError(
                f"slot {name!r} is read by somebody else, server process {slot.active_pid}"
            )
        await clock.sleep(_FREE_EVERY_S)


def _loader(connection: AsyncConnection[Any], oid: int) -> Load:
    """Return what makes a value of the text of a type; an unknown type stays text."""
    from psycopg.pq import Format

    adapters = connection.adapters
    loader = adapters.get_loader(oid, Format.TEXT) or adapters.get_loader(0, Format.TEXT)
    assert loader is not None  # noqa: S101 - psycopg has one for what it does not know
    load: Load = loader(oid, connection).load
    return load
