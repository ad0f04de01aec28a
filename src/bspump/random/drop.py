"""Events dropped by chance."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.options import Options
from bspump.abc.processor import Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class RandomDropOptions(Options, frozen=True, kw_only=True):
    """How many events are dropped."""

    threshold: Annotated[
        float, Meta(ge=0, le=1, description="Share of the events that is dropped.")
    ] = 0.5


class RandomDrop(Processor):
    """Drop the share `threshold` of the events, each by chance: 0 drops none, 1 drops all.

    `self.Random` may be seeded for the same choice in each run.
    """

    OptionsClass = RandomDropOptions
    Options: RandomDropOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Random = random.Random()
        self._threshold = self.Options.threshold

    def process(self, context: Context, event: Event) -> Event | None:
        return None if self.Random.random() < self._threshold else event
