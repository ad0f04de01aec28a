"""The contract of connections: clients that several parts share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from .options import Configurable

if TYPE_CHECKING:
    from .host import Application


class Connection(Configurable):
    """A shared client of a system, registered at the pump service and found by its Id.

    Its section of the configuration is `connection:<Id>`. `__init__` opens nothing.
    """

    def __init__(
        self, app: Application, id: str | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        self.Id = id if id is not None else type(self).__name__
        self.App = app
        self._configure(app.Config, f"connection:{self.Id}", config)

    @property
    def Loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the application."""
        return self.App.Loop

    def time(self) -> float:
        """Return the wall clock, Unix seconds."""
        return self.App.time()

    @classmethod
    def construct(cls, app: Application, definition: dict[str, Any]) -> Self:
        """Build the connection of a declaration: `id`, `config`, keyword arguments in `args`."""
        return cls(
            app, definition.get("id"), definition.get("config"), **definition.get("args", {})
        )

    async def close(self) -> None:
        """Close what is open; called once when the application ends. Closing twice is fine."""

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows; never a secret."""
        return {"Id": self.Id, "Class": type(self).__name__}
