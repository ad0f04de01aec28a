"""The contract of event time: what a context says of it, who makes watermarks, who waits for them.

A *watermark* says how far time has come: no event is expected any more whose time is before it.
One that comes nevertheless is late. Each event carries the watermark that held when its own time
was read, in its context, so that what is computed depends on the order of events alone: not on
how many came at once, nor on what happened meanwhile. Where no event comes along, because it was
dropped on the way or because there is none, the engine tells parts from time to time.

All of it is Unix milliseconds, as integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigError, ProcessingError
from .processor import Generator, Processor

if TYPE_CHECKING:
    from .component import Component
    from .host import Application, Event, Pipeline

EVENT_TIME: Final = "event_time_ms"
"""In the context of an event: its time."""

WATERMARK: Final = "watermark_ms"
"""In the context of an event: the watermark that held when its time was read."""

CLOCK: Final = "clock"
"""In the context of an event: the address of the part that wrote the other two."""

SOURCE: Final = "source_id"
"""In the context of an event, where a pipeline with several sources needs to know: its source."""

BEGIN_MS: Final = -(1 << 63)
"""The watermark of which nothing is known yet."""

END_MS: Final = (1 << 63) - 1
"""The watermark after the last event; as a time to wait for: never."""


def no_time(who: Component) -> ProcessingError:
    """Return the error of an event that comes to `who` and has no time."""
    return ProcessingError(
        f"{who.locate_address()}: the event has no time\n"
        "  what to do: put a `bspump.window.EventTime` somewhere before it in the pipeline"
    )


class TimeSource(Processor):
    """Gives events their time, and knows how far time has come.

    It writes `EVENT_TIME`, `WATERMARK` and `CLOCK` into the context of every event.
    """

    def watermark_ms(self) -> int:
        """Return how far time has come."""
        raise NotImplementedError(f"{type(self).__name__}.watermark_ms")

    def look(self, now_ms: int, feeding: Mapping[str, int] | None) -> None:
        """Look whether time has gone on without events; called by the engine now and then.

        Args:
            now_ms: the wall clock.
            feeding: watermarks of the pipelines that feed this one, by clock; all that carries
                less has arrived. Only those of which that is so now. `None` while something is on
                its way from the sources to here.
        """

    def explain(self) -> dict[str, Any]:
        """Return how far time has come and what holds it back, ready for JSON."""
        return {"Watermark": shown_ms(self.watermark_ms())}

    def rest_get(self) -> dict[str, Any]:
        return {**super().rest_get(), **self.explain()}


class TimedProcessor(Generator):
    """Holds something until a time has come: of events, or of the wall clock.

    Events bring time along, in their contexts; between them the engine calls `advance`. What is
    handed on has a context with its own time, and a watermark that does not make it late.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._watermark_ms = BEGIN_MS
        self._address = self.locate_address()

    def watermark_ms(self) -> int:
        """Return how far time has come here; all that belongs to times before has been fired.

        Behind this part it is no later. `BEGIN_MS` if the part has nothing to say of it.
        """
        return self._watermark_ms

    def advance(self, watermark_ms: int, now_ms: int) -> None:
        """Fire what is due, by `hand_on`; called by the engine now and then, between events.

        Args:
            watermark_ms: how far the time of events has come; less than before changes nothing.
            now_ms: the wall clock.
        """
        raise NotImplementedError(f"{type(self).__name__}.advance")

    def held_ms(self) -> int:
        """Return the earliest time of events that it holds and will hand on with their own time.

        Behind this part time goes no further, so that they are not late there.
        """
        return END_MS

    def explain(self) -> dict[str, Any]:
        """Return what it waits for, ready for JSON: what is open, and until when."""
        return {"Watermark": shown_ms(self._watermark_ms)}

    def hand_on(self, event: Event, at_ms: int, before_ms: int) -> None:
        """Let an event go on behind this part.

        Args:
            event: what goes on.
            at_ms: its time.
            before_ms: the watermark that it carries: the one before those that made it due.
        """
        context = {EVENT_TIME: at_ms, WATERMARK: before_ms, CLOCK: self._address}
        self.Pipeline.inject(context, event, (self.PipelineDepth or 0) + 1)

    def rest_get(self) -> dict[str, Any]:
        return {**super().rest_get(), **self.explain()}


def shown_ms(at_ms: int) -> int | None:
    """Return a watermark as others read it: `None` where nothing is known, or all is over."""
    return at_ms if BEGIN_MS < at_ms < END_MS else None


def check_version(part: Any, stored: int, current: int) -> None:
    """Refuse a state that a newer program has written.

    Raises:
        ConfigError: it did.
    """
    if stored > current:
        raise ConfigError(
            f"{part.locate_address()}: its state is of version {stored} [{ConfigError.Code}]\n"
            f"  expected: at most {current}, the `Version` of {type(part).__name__}\n"
            "  what to do: run the program that wrote it, or a newer one"
        )
