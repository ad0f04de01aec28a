"""Work that would block the loop, done in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .service import Service

if TYPE_CHECKING:
    from .application import BSPumpApplication


class ProactorService(Service):
    """Runs functions in the thread pool of the loop. Its name is `asab.ProactorService`."""

    def __init__(self, app: BSPumpApplication, service_name: str = "asab.ProactorService") -> None:
        super().__init__(app, service_name)

    def execute(
        self, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> asyncio.Future[Any]:
        """Run `function` in a thread; the future has its result or what it raised.

        A function that has begun cannot be cancelled: it runs to its end, and its result is
        forgotten.
        """
        return self.App.Loop.run_in_executor(None, partial(function, *args, **kwargs))
