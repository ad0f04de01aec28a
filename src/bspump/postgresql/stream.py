"""The stream of a replication slot: its messages, and what the client has to say meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bspump.abc.errors import NotConnectedError, ProcessingError
from bspump.abc.extras import require

from .errors import EXTRA
from .lsn import format_lsn
from .queries import literal, quoted

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from bspump.abc.clock import Clock

# https://www.postgresql.org/docs/current/protocol-replication.html
_WAL_DATA: Final = struct.Struct(">xQQq")
_KEEPALIVE: Final = struct.Struct(">xQqB")
_STATUS: Final = struct.Struct(">cQQQqB")
_CHANGES: Final = frozenset((b"I", b"U", b"D", b"T"))
_EPOCH_S: Final = 946_684_800

STATUS_EVERY_S: Final = 10.0
"""A server ends a stream of which it has heard nothing for `wal_sender_timeout`, 60 s."""

_FAREWELL_S: Final = 1.0


class Data(NamedTuple):
    """A message of the plug-in of the slot."""

    payload: bytes

    @property
    def is_change(self) -> bool:
        """Tell whether rows are changed by it, and not only a transaction ended or the like."""
        return self.payload[:1] in _CHANGES


class Keepalive(NamedTuple):
    """All transactions before `lsn` have been sent."""

    lsn: int


class ReplicationStream:
    """What a slot sends, over a connection of its own (`replication=database`).

    Reading is up to the caller; what he does not take stays in the buffers of the network, so
    memory is bounded by one message. Apart from that the server only wants to hear something now
    and then, also while nobody reads: that is `keep_alive`.

    Args:
        connection: opened for replication; it belongs to the stream.
        clock: of the application.
        confirmed_lsn: what has been confirmed before.
    """

    def __init__(
        self, connection: AsyncConnection[Any], clock: Clock, confirmed_lsn: int = 0
    ) -> None:
        self.connection = connection
        self.heard_at = clock.monotonic()
        self._clock = clock
        self._pgconn = connection.pgconn
        self._seen_lsn = self._confirmed_lsn = confirmed_lsn

    async def start(self, slot: str, publication: str, lsn: int) -> None:
        """Let the server send what was committed from `lsn` on, and not confirmed.

        Raises:
            psycopg.Error: it does not, for example because the slot is in use.
        """
        generators = require("psycopg.generators", extra=EXTRA)
        options = f"proto_version '1', publication_names {literal(quoted(publication))}"
        statement = f"START_REPLICATION SLOT {quoted(slot)} LOGICAL {format_lsn(lsn)} ({options})"
        self._pgconn.send_query(statement.encode())
        for result in await self.connection.wait(generators.execute(self._pgconn)):
            self._check(result)
        self._seen_lsn = max(self._seen_lsn, lsn)

    def next_nowait(self) -> Data | Keepalive | None:
        """Return the next message, `None` if it has not come yet.

        Raises:
            psycopg.Error: the server has ended the stream, or the connection is lost.
        """
        count, data = self._pgconn.get_copy_data(1)
        if count == 0:
            self._pgconn.consume_input()
            count, data = self._pgconn.get_copy_data(1)
            if count == 0:
                return None
        if count < 0:
            result = self._pgconn.get_result()
            if result is not None:
                self._check(result)
            raise NotConnectedError("the server has ended the stream")
        self.heard_at = self._clock.monotonic()
        return self._parsed(bytes(data))

    def _parsed(self, message: bytes) -> Data | Keepalive:
        if message[:1] == b"w":
            start_lsn, _, _ = _WAL_DATA.unpack_from(message)
            self._seen_lsn = max(self._seen_lsn, start_lsn)
            return Data(message[_WAL_DATA.size :])
        if message[:1] != b"k":
            raise ProcessingError(f"expected a message of replication, got {message[:1]!r}")
        lsn, _, wants_answer = _KEEPALIVE.unpack_from(message)
        self._seen_lsn = max(self._seen_lsn, lsn)
        if wants_answer:
            self.send_status()
        return Keepalive(lsn)

    async def wait(self, within_s: float) -> None:
        """Wait until there may be another message, or so long at the most."""
        loop = asyncio.get_running_loop()
        # Of a file descriptor that is closed meanwhile nothing would ever be heard.
        descriptor = self._pgconn.socket
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(descriptor, _resolve, readable)
        try:
            async with asyncio.timeout(within_s):
                await readable
        except TimeoutError:
            return
        finally:
            loop.remove_reader(descriptor)

    def confirm(self, lsn: int) -> None:
        """Tell the server that everything before `lsn` is durable: it need not keep it."""
        self._confirmed_lsn = max(self._confirmed_lsn, lsn)
        self.send_status()

    def send_status(self, *, asks: bool = False) -> None:
        """Tell the server what has been received and what is durable.

        Args:
            asks: for an answer, as a sign of life.
        """
        now_us = int((self._clock.time() - _EPOCH_S) * 1_000_000)
        durable = self._confirmed_lsn
        written = max(self._seen_lsn, durable)
        self._pgconn.put_copy_data(_STATUS.pack(b"r", written, durable, durable, now_us, int(asks)))
        self._pgconn.flush()

    async def keep_alive(self) -> None:
        """Send a status now and then, until cancelled or until the connection is gone."""
        error = require("psycopg", extra=EXTRA).Error
        # Who reads will hear of a lost connection.
        with contextlib.suppress(error):
            while not self.connection.closed:
                await self._clock.sleep(STATUS_EVERY_S)
                self.send_status(asks=True)

    async def close(self) -> None:
        """Say farewell, so that the slot is free at once, and close the connection."""
        try:
            if not self.connection.closed:
                async with asyncio.timeout(_FAREWELL_S):
                    await self._end()
        except TimeoutError:
            # In the middle of a large transaction the server does not listen.
            pass
        finally:
            await self.connection.close()

    async def _end(self) -> None:
        with contextlib.suppress(require("psycopg", extra=EXTRA).Error):
            self.send_status()
            self._pgconn.put_copy_end()
            while True:
                self._pgconn.flush()
                count, _ = self._pgconn.get_copy_data(1)
                if count < 0:
                    return
                if count == 0:
                    await self.wait(_FAREWELL_S)
                    self._pgconn.consume_input()

    def _check(self, result: Any) -> None:
        from psycopg.errors import error_from_result
        from psycopg.pq import ExecStatus

        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result, encoding="utf-8")


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
