"""Copies of a stream, for other pipelines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from msgspec import Meta

from bspump.abc.errors import ConfigError, UnknownNameError
from bspump.abc.options import Options

from .internal import InternalSource
from .linking import LinkedSource
from .routing import RouterProcessor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class TeeOptions(Options, frozen=True, kw_only=True):
    """How events are copied."""

    copy_event: Annotated[
        bool, Meta(description="Send deep copies; off is right if nobody changes the events.")
    ] = True


class TeeProcessor(RouterProcessor):
    """Pass events on, and send a copy of each to every source that is bound.

    A bound source that is full holds this pipeline back.
    """

    OptionsClass = TeeOptions
    Options: TeeOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._targets: tuple[str, ...] = ()

    def bind(self, target: str) -> None:
        """Send copies to the source at the address `target` from now on; twice is once.

        Raises:
            UnknownNameError: there is no such source.
        """
        self.locate(target)
        if target not in self._targets:
            self._targets = (*self._targets, target)

    def unbind(self, target: str) -> None:
        """Send no more copies to `target`; one that is not bound is ignored."""
        self._targets = tuple(each for each in self._targets if each != target)
        self.unlocate(target)

    def may_feed(self, source: LinkedSource) -> bool:
        return source in self.SourcesCache.values()

    def process(self, context: Context, event: Event) -> Event:
        for target in self._targets:
            self.route(context, event, target, self.Options.copy_event)
        return event


class TeeSource(InternalSource):
    """Emit copies of the events that pass the `TeeProcessor`s it is bound to.

    It is bound from the start of its pipeline to its stop, so events wait in the queue until
    the pipeline has connected.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._addresses: list[str] = []
        self._is_started = False
        pipeline.PubSub.subscribe("bspump.pipeline.start!", self._on_start)

    def bind(self, target: str) -> Self:
        """Copy what passes the processor at the address `target`, `Pipeline.TeeProcessor`."""
        self._addresses.append(target)
        if self._is_started:
            self._bind(target)
        return self

    def unbind(self, target: str) -> None:
        """Copy no more of it; a processor that is not bound is ignored."""
        if target in self._addresses:
            self._addresses.remove(target)
        found = self.App.PumpService.locate(target)
        if isinstance(found, TeeProcessor):
            found.unbind(self.locate_address())

    def possible_feeders(self) -> Collection[Pipeline]:
        bound = map(self.App.PumpService.locate, self._addresses)
        tees = [found for found in bound if isinstance(found, TeeProcessor)]
        return {*super().possible_feeders(), *(tee.Pipeline for tee in tees)}

    async def main(self) -> None:
        # What could not be found at the start of the pipeline is its error now.
        for address in self._addresses:
            self._bind(address)
        await super().main()

    async def stop(self) -> None:
        """Unbind, then pass on what is in the queue and end `main()`."""
        self._is_started = False
        for address in self._addresses:
            found = self.App.PumpService.locate(address)
            if isinstance(found, TeeProcessor):
                found.unbind(self.locate_address())
        await super().stop()

    def _on_start(self, _message: str, **_kwargs: Any) -> None:
        self._is_started = True
        for address in self._addresses:
            if self.App.PumpService.locate(address) is not None:
                self._bind(address)

    def _bind(self, address: str) -> None:
        found = self.App.PumpService.locate(address)
        if found is None:
            raise UnknownNameError("TeeProcessor", address, used_by=self.locate_address())
        if not isinstance(found, TeeProcessor):
            raise ConfigError(
                f"{self.locate_address()}: expected the address of a TeeProcessor, got {found!r}"
            )
        found.bind(self.locate_address())
