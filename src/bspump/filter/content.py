"""Events sorted by what they contain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bspump.abc.processor import Processor

from .query import compile_query

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class ContentFilter(Processor):
    """Ask a query in MongoDB's language about every event; hits and misses go their own ways.

    Both pass until `on_hit` or `on_miss` is overridden. `bspump.filter.compile_query` tells what
    a query may say.

    Args:
        query: which events are hits; the empty one, the default, hits all.

    Raises:
        ConfigError: the query is none; the message says where.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        query: Mapping[str, Any] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Query = {} if query is None else query
        self._is_hit = compile_query(self.Query)

    def on_hit(self, context: Context, event: Event) -> Event | None:
        """Return what goes on of an event that matches; `None` drops it."""
        return event

    def on_miss(self, context: Context, event: Event) -> Event | None:
        """Return what goes on of an event that does not match; `None` drops it."""
        return event

    def process(self, context: Context, event: Event) -> Event | None:
        if self._is_hit(event):
            return self.on_hit(context, event)
        return self.on_miss(context, event)
