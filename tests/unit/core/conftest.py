"""Pipelines to look into, run in the loop of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import bspump


class Feed(bspump.Source):
    """Waits; the test feeds the pipeline by itself."""

    async def main(self) -> None:
        await self.stopped()


class Collect(bspump.Sink):
    """Keeps what comes, one by one."""

    def __init__(self, app: Any, pipeline: Any, id: str | None = None) -> None:
        super().__init__(app, pipeline, id)
        self.Events: list[Any] = []
        self.Contexts: list[dict[str, Any]] = []

    def process(self, context: dict[str, Any], event: Any) -> None:
        self.Events.append(event)
        self.Contexts.append(context)


class Soft(bspump.Pipeline):
    """Handles every error and remembers it."""

    def __init__(self, app: Any, id: str | None = None, config: Any = None) -> None:
        super().__init__(app, id, config)
        self.Failed: list[tuple[BaseException, Any, Any]] = []

    def handle_error(self, exception: BaseException, context: Any, event: Any) -> bool:
        self.Failed.append((exception, context, event))
        return True


class Engine:
    """What the tests of the engine share."""

    Collect = Collect
    Feed = Feed
    Soft = Soft

    @staticmethod
    @asynccontextmanager
    async def running(
        *parts: Any,
        pipeline: type[bspump.Pipeline] = Soft,
        config: dict[str, Any] | None = None,
        source: Any = Feed,
    ) -> AsyncIterator[Any]:
        """Run an application with one pipeline of the given parts.

        Classes are constructed, everything else is taken as it is; the sink is a `Collect` if
        the last part is none.
        """
        app = bspump.BSPumpApplication(args=[])
        made = pipeline(app, "Tested", config)
        built = [part(app, made) if isinstance(part, type) else part for part in parts]
        if not built or not isinstance(built[-1], bspump.Sink | bspump.BatchSink):
            built.append(Collect(app, made))
        made.build(source(app, made), *built)
        app.PumpService.add_pipeline(made)
        async with app.running():
            await Engine.until(lambda: made.State.value != "connecting")
            yield made

    @staticmethod
    async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
        """Wait for a condition to become true."""
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110 - it polls for the state of anything
                await asyncio.sleep(0)

    @staticmethod
    def counts(pipeline: bspump.Pipeline) -> dict[str, Any]:
        """Return the counts of a pipeline, up to date."""
        pipeline.MetricsService.collect()
        return dict(pipeline.MetricsCounter.values)

    @staticmethod
    def out(pipeline: bspump.Pipeline) -> list[Any]:
        """Return what the sink has collected."""
        sink: Any = list(pipeline.iter_processors())[-1]
        return sink.Events


@pytest.fixture
def engine() -> type[Engine]:
    """Return what the tests of the engine share."""
    return Engine
