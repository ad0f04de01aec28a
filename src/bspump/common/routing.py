"""Processors and sinks that send events to other pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Options
from bspump.abc.processor import Processor
from bspump.abc.sink import Sink

from .copying import copied
from .linking import LinkedSource, RouterMixIn

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class RouterProcessor(RouterMixIn, Processor):
    """Base of processors that send events to other pipelines, by `self.route(…)` in `process`."""


class RouterSinkOptions(Options, frozen=True, kw_only=True):
    """Where all events go, if they all go to one place."""

    target: Annotated[
        str, Meta(description="Address `Pipeline.*SourceId` that every event is sent to.")
    ] = ""
    copy_event: Annotated[
        bool, Meta(description="Send a deep copy; needed only if somebody else keeps the event.")
    ] = False


class RouterSink(RouterMixIn, Sink):
    """Send every event to the source that the option `target` names.

    Or override `process` and call `self.route(…)` there, to decide event by event.
    """

    OptionsClass = RouterSinkOptions
    Options: RouterSinkOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        pipeline.PubSub.subscribe("bspump.pipeline.start!", self._on_start)

    def process(self, context: Context, event: Event) -> None:
        self.route(context, event, self._target(), self.Options.copy_event)

    def process_batch(self, contexts: Sequence[Context] | None, events: Sequence[Event]) -> None:
        """Send all of `events`; raises, having sent none, if there is no room for all."""
        source = self.locate(self._target())
        if not isinstance(source, LinkedSource):
            raise ConfigError(f"{self.locate_address()}: {source!r} takes no lists")
        if self.Options.copy_event:
            events = [copied(event) for event in events]
            contexts = None if contexts is None else [context.copy() for context in contexts]
        source.accept_many(contexts, events)

    def may_feed(self, source: LinkedSource) -> bool:
        if self.Options.target:
            return source.locate_address() == self.Options.target
        return super().may_feed(source)

    def _on_start(self, _message: str, **_kwargs: Any) -> None:
        # From then on it is known who feeds whom, and in which order pipelines have to stop.
        if self.Options.target and self.App.PumpService.locate(self.Options.target) is not None:
            self.locate(self.Options.target)

    def _target(self) -> str:
        if not self.Options.target:
            raise ConfigError(
                f"{self.locate_address()}: expected the option `target`, or a `process` that "
                "routes; got neither"
            )
        return self.Options.target
