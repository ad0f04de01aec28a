"""The sink that remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ProcessingError
from bspump.abc.options import Options
from bspump.abc.sink import Sink

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class ListOptions(Options, frozen=True, kw_only=True):
    """How much is kept."""

    max_events: Annotated[
        int, Meta(ge=1, description="Events at the most; more of them are errors.")
    ] = 1_000_000


class ListSink(Sink):
    """Keep events in the list `self.Events` and their contexts in `self.Contexts`.

    For tests, notebooks and small results; the memory is given back by `clear()`.
    """

    OptionsClass = ListOptions
    Options: ListOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Events: list[Event] = []
        self.Contexts: list[Context] = []

    def clear(self) -> None:
        """Begin with empty lists; those handed out before stay as they are."""
        self.Events, self.Contexts = [], []

    def process(self, context: Context, event: Event) -> None:
        self.process_batch((context,), (event,))

    def process_batch(self, contexts: Sequence[Context] | None, events: Sequence[Event]) -> None:
        """Keep all of `events`; raises, having kept none, if there is no room for all."""
        if len(self.Events) + len(events) > self.Options.max_events:
            raise ProcessingError(
                f"{self.locate_address()}: max_events={self.Options.max_events} are kept already; "
                "call clear(), or raise the option"
            )
        self.Events += events
        self.Contexts += [{} for _ in events] if contexts is None else contexts
