"""A pipeline of one processor, between lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bspump.abc.sink import Sink
from bspump.abc.source import TriggerSource
from bspump.core.pipeline import Pipeline
from bspump.trigger import PubSubTrigger

if TYPE_CHECKING:
    from bspump.abc import host


class UnitTestSource(TriggerSource):
    """Bring in what is in `Input`, pairs of a context and an event, in one cycle."""

    def __init__(
        self,
        app: host.Application,
        pipeline: host.Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Input: Iterable[tuple[host.Context | None, host.Event]] = []

    async def cycle(self, *args: Any, **kwargs: Any) -> None:
        for context, event in self.Input:
            await self.process(event, context)


class UnitTestSink(Sink):
    """Keep what arrives in `Output`, pairs of a context and an event."""

    def __init__(
        self,
        app: host.Application,
        pipeline: host.Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Output: list[tuple[host.Context, host.Event]] = []

    def process(self, context: host.Context, event: host.Event) -> None:
        self.Output.append((context, event))


class UnitTestPipeline(Pipeline):
    """Run one processor on the input of a `UnitTestSource`, into a `UnitTestSink`.

    It begins when the application runs, and stops the application at the end of the input, or
    at an error, which is kept in `Error`.

    Args:
        app: the application.
        processor: the class of the processor or generator.
        args: arguments of its constructor behind the application and the pipeline.
        kwargs: keyword arguments of its constructor.
    """

    def __init__(self, app: Any, processor: type[Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(app, "UnitTestPipeline")
        part: Any = self  # The protocols of parts are checked where pipelines are made.
        self.Source = UnitTestSource(app, part)
        self.Processor = processor(app, self, *args, **kwargs)
        self.Sink = UnitTestSink(app, part)
        self.Error: BaseException | None = None
        self.build(
            self.Source.on(PubSubTrigger(app, "Application.run!")), self.Processor, self.Sink
        )
        self.PubSub.subscribe("bspump.pipeline.cycle_end!", self._ended)
        self.PubSub.subscribe("bspump.pipeline.error!", self._ended)

    def unittest_start(self) -> None:
        """Override: what is to happen before the application runs."""

    def handle_error(self, exception: BaseException, context: Any, event: Any) -> bool:
        self.Error = exception
        return False

    def _ended(self, _message: str, **_: Any) -> None:
        self.App.stop()
