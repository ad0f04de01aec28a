"""Random values in events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.processor import Processor

from .choosing import ValueOptions, Values

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class RandomEnricherOptions(ValueOptions, frozen=True, kw_only=True):
    """What is drawn, and where it goes."""

    field: Annotated[str, Meta(min_length=1, description="The field that takes the value.")] = (
        "enriched_field"
    )


class RandomEnricher(Processor):
    """Put a random value into a field of a dict event; a new dict comes out.

    `self.Random` may be seeded for the same values in each run.

    Args:
        choice: draw from these values instead of numbers between the two bounds.
    """

    OptionsClass = RandomEnricherOptions
    Options: RandomEnricherOptions

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

    def process(self, context: Context, event: Event) -> dict[Any, Any]:
        return {**event, self.Options.field: self._values.draw()}
