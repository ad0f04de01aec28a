"""The life of servers: bind, serve until cancelled, finish what was received, close."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Any, Final

from bspump.abc.host import Pipeline

_CLEAR_S: Final = 5.0


class Endpoint(ABC):
    """Sockets on which something comes in, and the tasks that read them."""

    @property
    @abstractmethod
    def addresses(self) -> list[str]:
        """Where it is bound, as text; empty while it is not."""

    @abstractmethod
    async def bind(self) -> None:
        """Take the addresses; nothing is accepted yet.

        Raises:
            OSError: an address cannot be taken; the message names it.
            ConfigError: the options do not allow it.
        """

    @abstractmethod
    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to read, in tasks of `group`; what fails there ends the serving."""

    @abstractmethod
    def finish(self) -> set[asyncio.Task[None]]:
        """Take nothing new; return the tasks which are to process what has been received."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open. Twice is fine."""


async def serve(pipeline: Pipeline, *endpoints: Endpoint) -> None:
    """Bind `endpoints` and serve them until cancelled.

    When it is cancelled nothing new is accepted, what the kernel has received by then is
    processed, and then everything is closed. If it is cancelled again, or if the pipeline has an
    error that is not cleared within 5 seconds, the rest is lost, and the log says so.

    Raises:
        OSError: an address cannot be taken.
        ConfigError: the options do not allow it.
    """
    with contextlib.ExitStack() as stack:
        for endpoint in endpoints:
            stack.callback(endpoint.close)
            await endpoint.bind()
        try:
            async with asyncio.TaskGroup() as group:
                for endpoint in endpoints:
                    endpoint.start(group)
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    await _finish(pipeline, endpoints)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None


async def _finish(pipeline: Pipeline, endpoints: tuple[Endpoint, ...]) -> None:
    tasks = {task for endpoint in endpoints for task in endpoint.finish()}
    try:
        while tasks:
            _, tasks = await asyncio.wait(tasks, timeout=_CLEAR_S)
            if pipeline.has_error():
                break
    finally:
        if tasks:
            warn(pipeline, "input was cut off by the stop", readers=len(tasks))


def warn(pipeline: Pipeline, sentence: str, **fields: Any) -> None:
    """Write a warning with fields to the log of `pipeline`."""
    pipeline.L.warning(sentence, **fields)
