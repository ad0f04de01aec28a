"""Services and modules of an application, and the one that knows all pipelines."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from bspump.abc.connection import Connection
from bspump.abc.errors import ConfigError, ConfigErrors, DuplicateNameError, UnknownNameError
from bspump.abc.host import Context
from bspump.abc.lookup import Lookup
from bspump.abc.source import TriggerSource

from .keeping import close_keyed
from .log import get_logger

if TYPE_CHECKING:
    from .application import BSPumpApplication
    from .pipeline import Pipeline

log = get_logger(__name__)

_CLOSE_S = 10.0
"""So long a lookup or a connection may take to close."""

T = TypeVar("T")


class Service:
    """Something of an application that is found by its name, `app.get_service(name)`.

    Raises:
        DuplicateNameError: the application has a service of that name.
    """

    def __init__(self, app: BSPumpApplication, service_name: str) -> None:
        self.Name = service_name
        self.App = app
        app.add_service(self)

    async def initialize(self, app: BSPumpApplication) -> None:
        """Get ready; called once before the application runs, in the order of creation."""

    async def finalize(self, app: BSPumpApplication) -> None:
        """Clean up; called once when the application ends, in reverse order."""


class Module:
    """A part of an application that is added by `app.add_module(cls)`, at most once."""

    def __init__(self, app: BSPumpApplication) -> None:
        self.App = app

    async def initialize(self, app: BSPumpApplication) -> None:
        """Get ready; called once before the application runs."""

    async def finalize(self, app: BSPumpApplication) -> None:
        """Clean up; called once when the application ends."""


class BSPumpService(Service):
    """Knows the pipelines, connections, lookups and matrices of an application by their Id.

    Pipelines that are registered when the application starts are started by it, in that order.
    One that is added later is started by its `start()`.
    """

    def __init__(self, app: BSPumpApplication, service_name: str = "bspump.PumpService") -> None:
        super().__init__(app, service_name)
        self.Pipelines: dict[str, Pipeline] = {}
        self.Connections: dict[str, Connection] = {}
        self.Lookups: dict[str, Lookup] = {}
        self.Matrixes: dict[str, Any] = {}
        self.LookupFactories: list[Any] = []
        self._ending: set[asyncio.Task[None]] = set()
        # It registers where lookups can come from, and whoever makes one has an application.
        from bspump.clients import lookups  # noqa: F401

    def add_pipeline(self, pipeline: Pipeline) -> None:
        """Register a pipeline; raises DuplicateNameError if its Id is taken."""
        _add("pipeline", self.Pipelines, pipeline)

    def add_pipelines(self, *pipelines: Pipeline) -> None:
        """Register pipelines, in their order."""
        for pipeline in pipelines:
            self.add_pipeline(pipeline)

    def del_pipeline(self, pipeline: Pipeline) -> asyncio.Task[None]:
        """Forget a pipeline, stop it, and remove everything it left, its metrics too.

        Returns:
            The task that does so; it need not be awaited.
        """
        if self.Pipelines.get(pipeline.Id) is pipeline:
            del self.Pipelines[pipeline.Id]
        task = self.App.spawn(self._dispose(pipeline), name=f"end of pipeline {pipeline.Id}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def _dispose(self, pipeline: Pipeline) -> None:
        await pipeline.dispose()
        self.App.CheckpointService.forget(pipeline)
        await close_keyed([pipeline])
        for other in self.Pipelines.values():
            other.unlink(pipeline)
        # It may have been the last one that the end of the application waited for.
        self.check_finished()

    def add_connection(self, connection: T) -> T:
        """Register a connection and return it; raises DuplicateNameError."""
        return _add("connection", self.Connections, connection)

    def add_connections(self, *connections: Connection) -> None:
        """Register connections."""
        for connection in connections:
            self.add_connection(connection)

    def add_lookup(self, lookup: T) -> T:
        """Register a lookup and return it; raises DuplicateNameError."""
        return _add("lookup", self.Lookups, lookup)

    def add_lookups(self, *lookups: Lookup) -> None:
        """Register lookups."""
        for lookup in lookups:
            self.add_lookup(lookup)

    def add_lookup_factory(self, lookup_factory: Any) -> None:
        """Ask `lookup_factory.locate_lookup(id, context)` before the registry."""
        self.LookupFactories.append(lookup_factory)

    def add_matrix(self, matrix: T) -> T:
        """Register a matrix and return it; raises DuplicateNameError."""
        return _add("matrix", self.Matrixes, matrix)

    def add_matrixes(self, *matrixes: Any) -> None:
        """Register matrices."""
        for matrix in matrixes:
            self.add_matrix(matrix)

    def locate(self, address: str, /) -> Any:
        """Return what `address` names, or `None`.

        `Pipeline` is a pipeline, `Pipeline.Id` a processor or sink, `Pipeline.*Id` a source.
        """
        pipeline_id, dot, part = address.partition(".")
        if address in self.Pipelines:
            return self.Pipelines[address]
        pipeline = self.Pipelines.get(pipeline_id)
        if pipeline is None or not dot:
            return None
        if part.startswith("*"):
            return pipeline.locate_source(part[1:])
        return pipeline.locate_processor(part)

    def locate_connection(self, connection: str | Connection, /) -> Connection:
        """Return the connection of that Id; an object passes through.

        Raises:
            UnknownNameError: there is none; connections are registered before their users.
        """
        if not isinstance(connection, str):
            return connection
        return _find("connection", self.Connections, connection)

    def locate_lookup(self, lookup: str | Lookup, context: Context | None = None, /) -> Lookup:
        """Return the lookup of that Id; an object passes through.

        Raises:
            UnknownNameError: there is none, neither of the factories nor registered.
        """
        if not isinstance(lookup, str):
            return lookup
        for factory in self.LookupFactories:
            found: Lookup | None = factory.locate_lookup(lookup, context)
            if found is not None:
                return found
        return _find("lookup", self.Lookups, lookup)

    def locate_matrix(self, matrix: Any, /) -> Any:
        """Return the matrix of that Id; an object passes through. Raises UnknownNameError."""
        return _find("matrix", self.Matrixes, matrix) if isinstance(matrix, str) else matrix

    async def initialize(self, app: BSPumpApplication) -> None:
        await self._load_lookups()
        for pipeline in list(self.Pipelines.values()):
            pipeline.start()

    async def finalize(self, app: BSPumpApplication) -> None:
        while self._ending:
            await asyncio.wait(self._ending)
        await app.CheckpointService.finish()
        await self._stop_pipelines()
        for pipeline in self.Pipelines.values():
            for source in pipeline.Sources:
                for trigger in source.Triggers if isinstance(source, TriggerSource) else ():
                    trigger.close()
        things: list[Lookup | Connection] = [*self.Lookups.values(), *self.Connections.values()]
        for thing in things:
            await self._close(thing)

    async def _close(self, thing: Lookup | Connection) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await thing.close()
        except Exception:  # It was to be closed anyway, and the others must be too.
            log.exception("closing failed", what=repr(thing))

    def check_finished(self) -> None:
        """End the application when all input was bounded and has been delivered."""
        pipelines = self.Pipelines.values()
        for pipeline in list(pipelines):
            pipeline.check_finished()
        is_done = pipelines and all(pipeline.is_finished() for pipeline in pipelines)
        if is_done and not self.App.DeadLetters.is_busy():
            self.App.stop()

    async def _load_lookups(self) -> None:
        """Load all lookups but the lazy ones, at the same time; report each that fails.

        Raises:
            ConfigErrors: some that are required have no content.
        """
        eager = [lookup for lookup in self.Lookups.values() if not lookup.Lazy]
        results = await asyncio.gather(*(e.load() for e in eager), return_exceptions=True)
        missing: list[ConfigError] = []
        for lookup, result in zip(eager, results, strict=True):
            if isinstance(result, Exception):
                if lookup.Config.get("required") and lookup.LoadedAt is None:
                    missing.append(_missing(lookup, result))
                else:
                    log.error("lookup could not be loaded", lookup=lookup.Id, error=str(result))
            elif isinstance(result, BaseException):
                raise result
        if missing:
            raise ConfigErrors(missing)

    async def _stop_pipelines(self) -> None:
        """Stop those that feed others first, so that these can still deliver what they get."""
        waiting = list(self.Pipelines.values())
        while waiting:
            now = [pipeline for pipeline in waiting if not _is_fed(pipeline, waiting)] or waiting
            results = await asyncio.gather(*(p.stop() for p in now), return_exceptions=True)
            for pipeline, result in zip(now, results, strict=True):
                if isinstance(result, Exception):
                    log.error("stopping failed", pipeline=pipeline.Id, error=repr(result))
                elif isinstance(result, BaseException):
                    raise result
            waiting = [pipeline for pipeline in waiting if pipeline not in now]


def _missing(lookup: Lookup, error: Exception) -> ConfigError:
    return ConfigError(
        f"lookup {lookup.Id!r} could not be loaded [{ConfigError.Code}]\n"
        f"  cause: {error or type(error).__name__}\n"
        f"  what to do: see to its content, or set `required = no` in [lookup:{lookup.Id}] to"
        " start without"
    )


def _is_fed(pipeline: Pipeline, others: Collection[Any]) -> bool:
    feeders: Iterable[Any] = (feeder for source in pipeline.Sources for feeder in source.feeders())
    return any(feeder in others and feeder is not pipeline for feeder in feeders)


def _add(kind: str, registry: dict[str, Any], thing: Any) -> Any:
    if thing.Id in registry:
        raise DuplicateNameError(kind, thing.Id, first=repr(registry[thing.Id]), second=repr(thing))
    registry[thing.Id] = thing
    return thing


def _find(kind: str, registry: dict[str, Any], name: str) -> Any:
    if name not in registry:
        raise UnknownNameError(kind, name, used_by="locate_" + kind, known=registry)
    return registry[name]
