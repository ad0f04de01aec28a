"""The processor that gives events their time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from bspump.abc.errors import ConfigError, ProcessingError, RejectedError
from bspump.abc.event_time import CLOCK, EVENT_TIME, WATERMARK
from bspump.abc.options import Duration

from .timestamps import converter
from .watermarking import WatermarkingProcessor, WatermarkOptions

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline
    from bspump.abc.source import Source

_OTHERS = "*"
"""The partition of what no source brings in its own task."""


class EventTimeOptions(WatermarkOptions, frozen=True, kw_only=True):
    """Where the time is found."""

    of: Annotated[
        Literal["event", "kafka", "arrival"],
        Meta(
            description="Whose time it is: that in the event, that of the Kafka message, or when"
            " the event comes here."
        ),
    ] = "event"
    field: Annotated[str, Meta(description="The field of the event with its time.")] = ""
    format: Annotated[
        str, Meta(description="`ms`, `s`, `us`, `ns`, `iso`, or a format as `strptime` has it.")
    ] = "ms"
    zone: Annotated[str, Meta(description="The time zone of times that name none.")] = "UTC"
    max_skew: Annotated[
        Duration,
        Meta(
            description="An event whose time is further ahead of the wall clock is rejected;"
            " 0: never."
        ),
    ] = 3600.0


class EventTime(WatermarkingProcessor):
    """Give each event its time, and say how far time has come.

    Events go through as they are. Their contexts get `event_time_ms`, Unix milliseconds, and
    `watermark_ms`: no event is expected any more whose time is before that. It is, over all
    partitions, the least of the newest times that were seen, minus `lateness`.

    Partitions are those of Kafka, and where a pipeline has several sources, each is one. Override
    `partition` for others.

    An event without a time that can be understood raises `ProcessingError`, one beyond `max_skew`
    `RejectedError`: a clock that is wrong must not close all windows. Neither moves time on.

    Args:
        time: the field, as the option; or a function `(context, event)` that returns the time in
            the `format`.
    """

    OptionsClass = EventTimeOptions
    Options: EventTimeOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        time: str | Callable[[Context, Event], Any] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(time, str):
            config = {"field": time, **(config or {})}
        super().__init__(app, pipeline, id, config)
        self._field = self.Options.field
        self._read = time if callable(time) else self._reader()
        self._convert = self._converter()
        self._is_plain = self.Options.format == "ms"
        self._skew_ms = round(self.Options.max_skew * 1000)
        # Whatever is later than this has to be compared with the clock.
        self._unquestioned_ms = 0 if self._skew_ms else 1 << 62
        self._partition_of: Callable[[Context, Event], Hashable] | None = None
        self._counter = pipeline.MetricsService.create_counter(
            "bspump.event_time",
            {"pipeline": pipeline.Id, "processor": self.Id},
            {"skewed": 0},
            description="Events rejected because their time is too far ahead",
        )

    def _reader(self) -> Callable[[Context, Event], Any] | None:
        """Return what finds the time, `None` where it is a field of the event."""
        if self.Options.of == "kafka":
            return lambda context, event: context["_kafka_timestamp"]
        if self.Options.of == "arrival":
            return lambda context, event: int(self.App.time() * 1000)
        if not self._field:
            raise ConfigError(
                f"{self._address}: it is not said where the time is [{ConfigError.Code}]\n"
                "  what to do: set `field`, give a function, or set `of` to kafka or arrival"
            )
        return None

    def _converter(self) -> Callable[[Any], int]:
        try:
            return converter(self.Options.format, ZoneInfo(self.Options.zone))
        except (ValueError, ZoneInfoNotFoundError) as error:
            raise ConfigError(f"{self._address}: {error} [{ConfigError.Code}]") from error

    def partition(self, context: Context, event: Event, /) -> Hashable:
        """Override: return what has a clock of its own, as plain data: a device, a file."""
        raise NotImplementedError(f"{type(self).__name__}.partition")

    def process(self, context: Context, event: Event, /) -> Event:
        read = self._read
        try:
            at_ms = event[self._field] if read is None else read(context, event)
        except (KeyError, IndexError, TypeError, AttributeError):
            at_ms = None
        if type(at_ms) is not int or not self._is_plain:
            at_ms = self._converted(at_ms)
        if at_ms > self._unquestioned_ms:
            self._check_skew(at_ms)
        partition_of = self._partition_of or self._choose_partitions(context)
        context[EVENT_TIME] = at_ms
        context[WATERMARK] = self._watermarks.observe(partition_of(context, event), at_ms)
        context[CLOCK] = self._address
        return event

    def _converted(self, value: Any) -> int:
        try:
            return self._convert(value)
        except ProcessingError as error:
            where = f" in {self._field!r}" if self._field else ""
            raise ProcessingError(f"{self._address}: {error}{where}") from None

    def _check_skew(self, at_ms: int) -> None:
        now_ms = int(self.App.time() * 1000)
        self._unquestioned_ms = now_ms
        if at_ms > now_ms + self._skew_ms:
            self._counter.add("skewed", 1)
            raise RejectedError(
                f"{self._address}: its time {at_ms} is {(at_ms - now_ms) / 1000:g} s ahead of the"
                f" clock; max_skew is {self.Options.max_skew:g} s"
            )

    # Partitions

    def _choose_partitions(self, context: Context) -> Callable[[Context, Event], Hashable]:
        """Decide, at the first event, what has a clock of its own."""
        sources = self.Pipeline.Sources
        found: Callable[[Context, Event], Hashable] = _the_only_one
        if type(self).partition is not EventTime.partition:
            found = self.partition
        elif len(sources) > 1:
            found = self._source_of
            for source in sources:
                self._watermarks.expect(source.Id)
        elif "_kafka_partition" in context:
            found = _of_kafka
        self._partition_of = found
        return found

    def _source_of(self, context: Context, _event: Event) -> Hashable:
        """Return which source brings the event; events enter in the task of theirs."""
        task = asyncio.current_task()
        name = next((s.Id for s in self.Pipeline.Sources if s.Task is task), _OTHERS)
        if "_kafka_partition" not in context:
            return name
        self._watermarks.leave(name)
        return name, *_of_kafka(context, None)

    def look(self, now_ms: int, feeding: Mapping[str, int]) -> None:
        super().look(now_ms, feeding)
        if self._partition_of == self._source_of:
            for source in self.Pipeline.Sources:
                if source.is_finished():
                    self._leave(source)

    def _leave(self, source: Source) -> None:
        for partition in self._watermarks.partitions():
            name = partition[0] if isinstance(partition, tuple) else partition
            if name == source.Id:
                self._watermarks.leave(partition)


def _the_only_one(_context: Context, _event: Event) -> None:
    """Return the name of the only partition."""


def _of_kafka(context: Context, _event: Event) -> tuple[Any, Any]:
    return context["_kafka_topic"], context["_kafka_partition"]
