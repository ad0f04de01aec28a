"""Parts that leave events as they are: one counts them aloud, one lets few of them through."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Duration, Options
from bspump.abc.processor import Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class RateOptions(Options, frozen=True, kw_only=True):
    """How often the rate is told."""

    interval: Annotated[Duration, Meta(description="Seconds between two log lines.")] = 10.0


class RateLogger(Processor):
    """Pass events on, and log how many came per second, each `interval` while any come.

    The time before the first event and after the last does not count.

    Raises:
        ConfigError: the interval is zero.
    """

    OptionsClass = RateOptions
    Options: RateOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        if not self.Options.interval:
            raise ConfigError(f"{self.locate_address()}: interval: expected more than zero, got 0")
        self.Total = 0
        self._watch: asyncio.Task[Any] | None = None

    def process(self, context: Context, event: Event) -> Event:
        if self._watch is None:
            self._begin()
        self.Total += 1
        return event

    def process_batch(
        self, contexts: Sequence[Context] | None, events: Sequence[Event]
    ) -> Sequence[Event]:
        """Count all of `events`."""
        if self._watch is None:
            self._begin()
        self.Total += len(events)
        return events

    def _begin(self) -> None:
        self._watch = self.App.spawn(self._tell(self.Total), name=f"{self!r}")

    async def _tell(self, told: int) -> None:
        clock = self.App.Clock
        begin = clock.monotonic()
        try:
            while True:
                await clock.sleep(self.Options.interval)
                now, total = clock.monotonic(), self.Total
                if total == told:
                    return
                rate = (total - told) / (now - begin)
                self.Pipeline.L.info(
                    "events pass", part=self.Id, per_second=round(rate, 1), total=total
                )
                told, begin = total, now
        finally:
            self._watch = None


class SamplerOptions(Options, frozen=True, kw_only=True):
    """How few events pass."""

    every: Annotated[int, Meta(ge=1, description="One event of so many passes.")] = 10


class Sampler(Processor):
    """Pass the first event and then one of every `every`; drop all others.

    `bspump.random.RandomDrop` chooses by chance, which suits input that repeats itself.
    """

    OptionsClass = SamplerOptions
    Options: SamplerOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._every, self._left = self.Options.every, 1

    def process(self, context: Context, event: Event) -> Event | None:
        self._left -= 1
        if self._left:
            return None
        self._left = self._every
        return event
