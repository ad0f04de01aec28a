"""Which exchanges exist, for sinks whose exchange is chosen by each event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from bspump.abc.extras import require

from .errors import EXTRA

if TYPE_CHECKING:
    from aiormq.abc import AbstractConnection

_MAX_KNOWN: Final = 10_000


class KnownExchanges:
    """Asks the broker for each exchange once in the life of a connection.

    Publishing to an exchange that does not exist closes the channel, and costs the neighbours
    of the event their confirmations; asking before costs one round trip.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._known = {""}

    def add(self, exchange: str) -> None:
        """Take note that an exchange exists."""
        if len(self._known) >= _MAX_KNOWN:
            self._known = {""}
        self._known.add(exchange)

    async def missing(self, exchanges: Iterable[str]) -> set[str]:
        """Return those that do not exist, or cannot."""
        client = require("aiormq.exceptions", extra=EXTRA)
        missing = set()
        for exchange in set(exchanges) - self._known:
            # One that asks for what is not there is closed by the broker.
            channel = await self._connection.channel(publisher_confirms=False)
            try:
                await channel.exchange_declare(exchange, passive=True)
            except (client.ChannelNotFoundEntity, ValueError):
                missing.add(exchange)
            else:
                self.add(exchange)
            finally:
                await channel.close()
        return missing
