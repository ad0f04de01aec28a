"""The ticks of an application: messages that come each second, minute, hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .application import BSPumpApplication

TICKS: Final = (10, 60, 300, 600, 1800, 3600, 43200, 86400)
"""`Application.tick/10!` and so on come whenever so many seconds have passed."""

_HOUSEKEEPING_HOUR = 3


class Ticks:
    """Publishes `Application.tick!` each second, and the slower ones.

    Once a day, at three in the morning of local time, it publishes `Application.housekeeping!`.

    A tick that comes late does not move the following ones, and none is published twice to make
    up for those that a busy loop has missed.
    """

    def __init__(self, app: BSPumpApplication) -> None:
        self._app = app

    async def run(self) -> None:
        """Publish, until cancelled."""
        clock, publish = self._app.Clock, self._app.PubSub.publish
        begin, count = clock.monotonic(), 0
        housekeeping = next_housekeeping(clock.time())
        while True:
            await clock.sleep(max(0.0, begin + count + 1 - clock.monotonic()))
            before, count = count, max(count + 1, int(clock.monotonic() - begin))
            publish("Application.tick!")
            for seconds in TICKS:
                if count // seconds > before // seconds:
                    publish(f"Application.tick/{seconds}!")
            if clock.time() >= housekeeping:
                housekeeping = next_housekeeping(clock.time())
                publish("Application.housekeeping!")


def next_housekeeping(now: float) -> float:
    """Return when it is three in the morning, local time, for the next time; Unix seconds."""
    local = datetime.fromtimestamp(now).astimezone()
    due = local.replace(hour=_HOUSEKEEPING_HOUR, minute=0, second=0, microsecond=0)
    return (due if due > local else due + timedelta(days=1)).timestamp()
