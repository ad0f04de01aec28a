"""Fields of events, let through or held back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from bspump.abc.processor import Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline
    from bspump.abc.lookup import Lookup


class AttributeFilter(Processor):
    """Leave fields out of a dict event, or with `inclusive` all others; a new dict comes out.

    Override `predicate` to say which events are meant, and `get_fields` to say which fields. An
    event that is not meant passes as it is.

    Args:
        lookup: Id of a lookup, or the lookup, kept as `self.Lookup` for the two methods.
        inclusive: keep the fields instead of leaving them out.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        lookup: str | Lookup | None = None,
        inclusive: bool = False,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Lookup: Any = None if lookup is None else app.PumpService.locate_lookup(lookup)
        self.Inclusive = inclusive

    def predicate(self, event: Event) -> bool:
        """Tell whether fields of `event` are to be filtered; they are until this is overridden."""
        return True

    def get_fields(self, event: Event) -> Collection[Any]:
        """Return the fields that are meant; the keys of the lookup until this is overridden."""
        return () if self.Lookup is None else self.Lookup

    def process(self, context: Context, event: Event) -> Event:
        if not self.predicate(event):
            return event
        fields = self.get_fields(event)
        if self.Inclusive:
            return {key: value for key, value in event.items() if key in fields}
        return {key: value for key, value in event.items() if key not in fields}
