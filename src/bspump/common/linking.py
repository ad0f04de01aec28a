"""Links between pipelines: routers, which send events, and the sources that take them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import ConfigError, UnknownNameError
from bspump.abc.processor import ProcessorBase
from bspump.abc.source import Source

from .copying import copied

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class LinkedSource(Source):
    """A source whose events come from other pipelines of the application.

    Routers that found it are known to it, so it can hold them back, and it knows when no more
    will come. The context of an event is fresh, with the sender's under `ancestor`.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.BackPressure = False
        self._routers: set[RouterMixIn] = set()
        # Pipelines finish one after the other and say so; pipelines in a circle do not.
        app.PubSub.subscribe("Application.tick!", self._on_tick)

    def accept(self, context: Context, event: Event) -> None:
        """Take an event from a router; never refuses, but holds the router's pipeline back."""
        raise NotImplementedError(f"{type(self).__name__}.accept")

    def accept_many(self, contexts: Sequence[Context] | None, events: Sequence[Event]) -> None:
        """Take all of `events`, or raise `asyncio.QueueFull` and take none."""
        raise NotImplementedError(f"{type(self).__name__}.accept_many")

    def attach(self, router: RouterMixIn) -> None:
        """Take note that `router` sends events here."""
        self._routers.add(router)
        if self.BackPressure:
            router.Pipeline.throttle(self, True)

    def detach(self, router: RouterMixIn) -> None:
        """Take note that `router` sends no more."""
        self._routers.discard(router)
        if router.Pipeline not in self.feeders():
            router.Pipeline.throttle(self, False)

    def feeders(self) -> Collection[Pipeline]:
        return {router.Pipeline for router in self._routers}

    def is_idle(self) -> bool:
        """Tell whether nothing that was taken is still here."""
        raise NotImplementedError(f"{type(self).__name__}.is_idle")

    def is_finished(self) -> bool:
        """Tell whether everything was passed on and no pipeline is left that could send more.

        Pipelines that feed each other in a circle have finished when nothing is on its way in
        any of them. Where no router could send here, the program itself does, and that never
        finishes.
        """
        # Those that are known first: they are few, and nearly always one of them still runs.
        if self._origins(LinkedSource.feeders) is None:
            return False
        return bool(self._origins(LinkedSource.possible_feeders))

    def _origins(self, feeders_of: Callable[[LinkedSource], Iterable[Any]]) -> int | None:
        """Count where all that could still come would come from; `None` if something may come."""
        waiting, seen = [self], {self}
        origins = 0
        while waiting:
            linked = waiting.pop()
            if not linked.is_idle():
                return None
            for pipeline in feeders_of(linked):
                if pipeline.is_finished():
                    origins += 1
                    continue
                links = [each for each in pipeline.Sources if isinstance(each, LinkedSource)]
                others = [each for each in pipeline.Sources if each not in links]
                # Only a pipeline that is fed itself may be waiting for this one.
                if not links or pipeline.under_way() or not all(o.is_finished() for o in others):
                    return None
                origins += len(others)
                waiting += [link for link in links if link not in seen]
                seen.update(links)
        return origins

    def possible_feeders(self) -> Collection[Pipeline]:
        """Return the pipelines with a router that sends here, or has not shown yet where to."""
        found = set(self.feeders())
        for pipeline in self.Pipeline.App.PumpService.Pipelines.values():
            parts = pipeline.iter_processors()
            if any(isinstance(part, RouterMixIn) and part.may_feed(self) for part in parts):
                found.add(pipeline)
        return found

    def _on_tick(self, _message: str) -> None:
        if self.is_idle() and self.is_finished():
            self.Pipeline.check_finished()

    def _press(self) -> None:
        """Hold back the pipelines of all routers."""
        if not self.BackPressure:
            self._set_pressure("on", True)

    def _relieve(self) -> None:
        """Let them go on."""
        if self.BackPressure:
            self._set_pressure("off", False)

    def _set_pressure(self, name: str, enable: bool) -> None:
        self.BackPressure = enable
        for pipeline in self.feeders():
            pipeline.throttle(self, enable)
        self.Pipeline.PubSub.publish(f"bspump.InternalSource.backpressure_{name}!", source=self)


class RouterMixIn(ProcessorBase):
    """Sends events to sources of other pipelines, by their address `Pipeline.*SourceId`.

    A target is looked up when it is first used. From then on its backpressure holds back the
    router's own pipeline, so its queue does not grow beyond its limit by more than what one
    event was made into.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.SourcesCache: dict[str, Source] = {}
        self._accepts: dict[str, Callable[[Context, Event], None]] = {}

    def locate(self, source_id: str) -> Source:
        """Return the source at the address `source_id`, and be held back by it from now on.

        Raises:
            UnknownNameError: there is none.
            ConfigError: it takes no events from others.
        """
        found = self.SourcesCache.get(source_id)
        if found is not None:
            return found
        found = self.App.PumpService.locate(source_id)
        if found is None:
            raise UnknownNameError(
                "source", source_id, used_by=self.locate_address(), known=self._addresses()
            )
        accept = getattr(found, "accept", None) or getattr(found, "put", None)
        if accept is None:
            raise ConfigError(
                f"{self.locate_address()}: expected a source such as InternalSource, "
                f"got {found!r}; its address is written 'Pipeline.*SourceId'"
            )
        if isinstance(found, LinkedSource):
            found.attach(self)
        self._accepts[source_id] = accept
        self.SourcesCache[source_id] = found
        return found

    def unlocate(self, source_id: str) -> None:
        """Forget the source at the address `source_id`; one that is not known is ignored."""
        found = self.SourcesCache.pop(source_id, None)
        self._accepts.pop(source_id, None)
        if isinstance(found, LinkedSource) and found not in self.SourcesCache.values():
            found.detach(self)

    def route(
        self, context: Context, event: Event, source_id: str, copy_event: bool = True
    ) -> None:
        """Send an event to the source at the address `source_id`.

        Args:
            copy_event: send a deep copy, and a copy of the context. False is much cheaper, and
                right if nobody changes the event after it was sent.

        Raises:
            UnknownNameError: there is no such source.
            ConfigError: it takes no events from others.
        """
        accept = self._accepts.get(source_id)
        if accept is None:
            self.locate(source_id)
            accept = self._accepts[source_id]
        if copy_event:
            accept(context.copy(), copied(event))
        else:
            accept(context, event)

    def dispatch(
        self, context: Context, event: Event, source_id: str, copy_event: bool = True
    ) -> None:
        """Do what `route` does; an older name of it."""
        self.route(context, event, source_id, copy_event)

    def may_feed(self, source: LinkedSource) -> bool:
        """Tell whether events go to `source`, or might: a router that sent none may send there."""
        known = self.SourcesCache.values()
        return source in known if known else source.Pipeline is not self.Pipeline

    def _addresses(self) -> list[str]:
        """Return the addresses of all sources that take events from others."""
        return [
            source.locate_address()
            for pipeline in self.Pipeline.App.PumpService.Pipelines.values()
            for source in pipeline.Sources
            if isinstance(source, LinkedSource)
        ]
