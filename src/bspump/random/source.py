"""Random values as input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.options import Duration
from bspump.abc.source import TriggerSource

from .choosing import ValueOptions, Values

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class RandomSourceOptions(ValueOptions, frozen=True, kw_only=True):
    """What is drawn, how much of it, and how fast."""

    field: Annotated[
        str, Meta(description="Events are dicts with the value in this field; empty: bare values.")
    ] = ""
    number: Annotated[int, Meta(ge=0, description="Events in a cycle.")] = 1000
    event_idle_time: Annotated[
        Duration, Meta(description="Seconds of rest after each `events_till_idle` events.")
    ] = 0.01
    events_till_idle: Annotated[int, Meta(ge=1, description="Events between two rests.")] = 10000


class RandomSource(TriggerSource):
    """Emit `number` random values in each cycle, bare or as `{field: value}`.

    `self.Random` may be seeded for the same values in each run.

    Args:
        choice: draw from these values instead of numbers between the two bounds.
    """

    OptionsClass = RandomSourceOptions
    Options: RandomSourceOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        choice: Sequence[Any] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._values = Values(self, choice, self.Options)
        self.Random = self._values.random

    async def cycle(self, *args: Any, **kwargs: Any) -> None:
        options = self.Options
        field, draw = options.field, self._values.draw
        left = options.number
        while left:
            count = min(left, options.events_till_idle, 1000)
            drawn = [draw() for _ in range(count)]
            await self.Pipeline.process_many(
                [{field: value} for value in drawn] if field else drawn
            )
            left -= count
            is_rest = (options.number - left) % options.events_till_idle == 0
            if left and is_rest:
                await self.App.Clock.sleep(options.event_idle_time)
