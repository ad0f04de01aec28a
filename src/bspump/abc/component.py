"""What every part of a pipeline has in common."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

from .options import Configurable

if TYPE_CHECKING:
    from .host import Application, Pipeline
    from .state import PartState, Snapshot


class Stateful(Protocol):
    """What checkpoints keep: parts of pipelines, and what several of them share."""

    def locate_address(self) -> str:
        """Return the name under which its state is stored."""

    def is_stateful(self) -> bool:
        """Tell whether it has something to outlive this process."""

    def snapshot(self) -> Snapshot | None:
        """Return what has changed; see `Component.snapshot`."""

    def restore(self, state: PartState) -> None:
        """Be as it was; see `Component.restore`."""


class Component(Configurable):
    """A source, processor or sink of a pipeline.

    `__init__` may only read its configuration and keep its arguments: sockets, clients,
    threads and tasks are made when the pipeline runs.

    Args:
        app: the application.
        pipeline: the pipeline it belongs to.
        id: names it within the pipeline; default is the name of its class.
        config: options that override all others.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.Id = id if id is not None else type(self).__name__
        self.App = app
        self.Pipeline = pipeline
        self._configure(app.Config, f"pipeline:{pipeline.Id}:{self.Id}", config)

    @property
    def Loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the application."""
        return self.App.Loop

    def time(self) -> float:
        """Return the wall clock, Unix seconds."""
        return self.App.time()

    @classmethod
    def construct(cls, app: Application, pipeline: Pipeline, definition: dict[str, Any]) -> Self:
        """Build the part of a declaration: `id`, `config`, and keyword arguments in `args`."""
        return cls(
            app,
            pipeline,
            id=definition.get("id"),
            config=definition.get("config"),
            **definition.get("args", {}),
        )

    def snapshot(self) -> Snapshot | None:
        """Override together with `restore`: return what has to outlive this process.

        Called at every checkpoint while no event is on its way; it must not wait. What is in
        the snapshot is copied before the call of anything else. `changed` and `removed` are
        relative to the snapshot before, which is never lost. `None`: nothing has changed.
        """
        return None

    def restore(self, state: PartState) -> None:
        """Override together with `snapshot`: be as it was when `state` was taken.

        Called before anything else of a run, on an object that has seen no event, and only if
        there is a state. The next snapshot is relative to it.

        Raises:
            ConfigError: the state does not fit; it says what to do.
        """
        raise NotImplementedError(f"{type(self).__name__}.restore")

    def is_stateful(self) -> bool:
        """Tell whether it has something to outlive this process."""
        return type(self).snapshot is not Component.snapshot

    def shares(self) -> Collection[Stateful]:
        """Return what it shares with parts of other pipelines, and what is kept with them."""
        return ()

    def locate_address(self) -> str:
        """Return the address under which `PumpService.locate` finds it."""
        return f"{self.Pipeline.Id}.{self.Id}"

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        return {
            "Id": self.Id,
            "Class": type(self).__name__,
            "PipelineId": self.Pipeline.Id,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.locate_address()!r})"
