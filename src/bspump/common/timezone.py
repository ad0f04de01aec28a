"""Local times, brought to UTC."""

from __future__ import annotations

import zoneinfo
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Options
from bspump.abc.processor import Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class TimeZoneOptions(Options, frozen=True, kw_only=True):
    """Where naive times come from."""

    timezone: Annotated[str, Meta(description="Name of the zone, such as `Europe/Prague`.")] = "CET"


class TimeZoneNormalizer(Processor, ABC):
    """Base of processors that bring times to UTC: they call `normalize` in their `process`.

    Raises:
        ConfigError: there is no such time zone.
    """

    OptionsClass = TimeZoneOptions
    Options: TimeZoneOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        name = self.Options.timezone
        try:
            self._zone = zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigError(f"{self.locate_address()}: no time zone {name!r}") from error

    def normalize(self, local_time: datetime) -> datetime:
        """Return the moment in UTC; a naive time is taken to be of the configured zone.

        Of a time that the clocks show twice, in autumn, the first is meant, unless its `fold`
        says otherwise.
        """
        if local_time.tzinfo is None:
            local_time = local_time.replace(tzinfo=self._zone)
        return local_time.astimezone(UTC)

    @abstractmethod
    def process(self, context: Context, event: Event) -> Event | None:
        """Return the event with its times normalized."""
