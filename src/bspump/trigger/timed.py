"""Triggers that fire by the clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bspump.abc.config import parse_seconds
from bspump.abc.errors import ConfigError
from bspump.abc.extras import require
from bspump.abc.trigger import Trigger

if TYPE_CHECKING:
    from bspump.abc.host import Application
    from bspump.abc.source import TriggerSource

# So that a wall clock that is set by hand is noticed before long.
_LONGEST_SLEEP_S = 60.0


class _TimedTrigger(Trigger):
    """Waits in a task of the application, from the start of its first source on."""

    _task: asyncio.Task[Any] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = self.App.spawn(self._run(), name=f"trigger {self.Id}")

    async def _run(self) -> None:
        raise NotImplementedError(f"{type(self).__name__}._run")

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None


class PeriodicTrigger(_TimedTrigger):
    """Fire every `interval`, for the first time one interval after the first source began to run.

    The moments are multiples of the interval, so delays do not add up; those that a busy loop
    has missed are left out.

    Args:
        interval: seconds, or a text such as `250ms`; default is a second.

    Raises:
        ConfigError: the interval is no duration above zero.
    """

    def __init__(
        self, app: Application, interval: float | str | None = None, id: str | None = None
    ) -> None:
        super().__init__(app, id=id)
        try:
            self.Interval = parse_seconds(1.0 if interval is None else interval)
        except ValueError as error:
            raise ConfigError(f"{self.Id}: interval: {error}, got {interval!r}") from error
        if self.Interval <= 0:
            raise ConfigError(f"{self.Id}: interval: expected more than zero, got {interval!r}")

    async def _run(self) -> None:
        clock, interval = self.App.Clock, self.Interval
        due_at = clock.monotonic() + interval
        while True:
            await clock.sleep(max(0.0, due_at - clock.monotonic()))
            self.fire()
            missed = (clock.monotonic() - due_at) // interval
            due_at += interval * (1 + max(0, missed))


class CronTrigger(_TimedTrigger):
    """Fire at the moments that a cron expression names; those missed are left out.

    Args:
        schedule: five fields (minute, hour, day, month, weekday), or six with seconds first.
        timezone: the zone that the fields are meant in; when its clocks change, jobs run as
            Debian's cron runs them.

    Raises:
        ConfigError: the expression or the time zone is unknown.
        MissingExtraError: the extra `cron` is not installed.
    """

    def __init__(
        self, app: Application, schedule: str, timezone: str = "UTC", id: str | None = None
    ) -> None:
        super().__init__(app, id=id)
        self.Schedule = schedule
        self._cronsim: Any = require("cronsim", extra="cron")
        try:
            self._zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigError(f"{self.Id}: no time zone {timezone!r}") from error
        self.next_at(0.0)

    def next_at(self, after: float) -> float:
        """Return the first moment after `after` that the expression names, Unix seconds.

        Raises:
            ConfigError: there is none within the next fifty years.
        """
        begin = datetime.fromtimestamp(after, UTC).astimezone(self._zone)
        try:
            moment: datetime = next(self._cronsim.CronSim(self.Schedule, begin))
        except (self._cronsim.CronSimError, StopIteration) as error:
            raise ConfigError(
                f"{self.Id}: expected a cron expression such as '*/5 * * * *', "
                f"got {self.Schedule!r} ({error})"
            ) from error
        return moment.timestamp()

    async def _run(self) -> None:
        clock = self.App.Clock
        last_at = clock.time()
        while True:
            # A clock that was set back must not name the same moment twice.
            due_at = self.next_at(max(clock.time(), last_at))
            while (left_s := due_at - clock.time()) > 0:
                await clock.sleep(min(left_s, _LONGEST_SLEEP_S))
            last_at = due_at
            self.fire()


class RunOnceTrigger(Trigger):
    """Fire once, and stop the application when the cycles of all its sources are done.

    Obsolete: an application ends by itself when all of its input was bounded.
    """

    def __init__(self, app: Application, id: str | None = None) -> None:
        super().__init__(app, id=id)
        self._is_fired = False
        self._done: set[TriggerSource] = set()

    def start(self) -> None:
        if not self._is_fired:
            self._is_fired = True
            self.fire()

    def done(self, source: TriggerSource) -> None:
        self._done.add(source)
        if self._done >= self.Sources:
            self.App.stop()
