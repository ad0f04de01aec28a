"""The processor that gives events their time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from bspump.abc.errors import ConfigError, ProcessingError, RejectedError
from bspump.abc.event_time import CLOCK, EVENT_TIME, SOURCE, WATERMARK
from bspump.abc.options import Duration
from bspump.abc.source import PullSource

from .timestamps import converter, of_datetime
from .watermarking import WatermarkingProcessor, WatermarkOptions

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_OTHERS = "*"
"""The partition of what comes from nobody knows which source."""

_FIRST_MS: Final = of_datetime(datetime.min.replace(tzinfo=UTC))
_LAST_MS: Final = of_datetime(datetime.max.replace(tzinfo=UTC))


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

    Partitions are what the source says they are, such as those of Kafka that it was assigned, and
    where a pipeline has several sources, each is one. Override `partition` for others.

    An event without a time that can be understood raises `ProcessingError`, one beyond `max_skew`
    `RejectedError`: a clock that is wrong must not close all windows. Neither moves time on.
    When events come (`of = arrival`) never goes back, even if the wall clock is set back.

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
        self._is_plain = self.Options.format == "ms" or self.Options.of != "event"
        is_arrival = self.Options.of == "arrival" and not callable(time)
        self._skew_ms = 0 if is_arrival else round(self.Options.max_skew * 1000)
        # Whatever is later than this has to be compared with the clock.
        self._unquestioned_ms = _FIRST_MS if self._skew_ms else _LAST_MS
        self._watermarks.forgets_idle = type(self).partition is not EventTime.partition
        self._partition_of: Callable[[Context, Event], Hashable] | None = None
        self._counter = pipeline.MetricsService.create_counter(
            "bspump.event_time",
            {"pipeline": pipeline.Id, "processor": self.Id},
            {"skewed": 0},
            description="Events rejected because their time is too far ahead",
        )
        is_own = type(self).process is EventTime.process and not self._watermarks.forgets_idle
        if is_own and self._read is None and self._is_plain:
            self.process = self._quicker()  # type: ignore[method-assign]

    def _quicker(self) -> Callable[[Context, Event], Event]:
        """Return `process`, quicker where the time of an event teaches nothing new."""
        field, address = self._field, self._address
        watermarks, slow = self._watermarks, self.process

        def process(context: Context, event: Event, /) -> Event:
            try:
                at_ms = event[field]
            except (LookupError, TypeError):
                return slow(context, event)
            if type(at_ms) is int and _FIRST_MS <= at_ms <= watermarks.known_ms:
                context[EVENT_TIME] = at_ms
                context[WATERMARK] = watermarks.watermark_ms
                context[CLOCK] = address
                return event
            return slow(context, event)

        return process

    def _reader(self) -> Callable[[Context, Event], Any] | None:
        """Return what finds the time, `None` where it is a field of the event."""
        if self.Options.of == "kafka":
            return lambda context, event: context.get("_kafka_timestamp")
        if self.Options.of == "arrival":
            return lambda context, event: max(int(self.App.time() * 1000), self.watermark_ms())
        if not self._field:
            raise ConfigError(
                f"{self._address}: it is not said where the time is [{ConfigError.Code}]\n"
                "  what to do: set `field`, give a function, or set `of` to kafka or arrival"
            )
        return None

    def _converter(self) -> Callable[[Any], int]:
        form = self.Options.format if self.Options.of == "event" else "ms"
        try:
            return converter(form, ZoneInfo(self.Options.zone))
        except (ValueError, ZoneInfoNotFoundError) as error:
            raise ConfigError(f"{self._address}: {error} [{ConfigError.Code}]") from error

    def partition(self, context: Context, event: Event, /) -> Hashable:
        """Override: return what has a clock of its own, as plain data: a device, a file.

        There may be many; those that are silent for `idle` are forgotten.
        """
        raise NotImplementedError(f"{type(self).__name__}.partition")

    def process(self, context: Context, event: Event, /) -> Event:
        read = self._read
        if read is None:
            try:
                at_ms = event[self._field]
            except (KeyError, IndexError):
                at_ms = None
            except TypeError:
                # An event with attributes instead, such as a Struct.
                at_ms = getattr(event, self._field, None)
        else:
            at_ms = read(context, event)
        if type(at_ms) is not int or not self._is_plain:
            at_ms = self._converted(at_ms)
        if not _FIRST_MS <= at_ms <= self._unquestioned_ms:
            self._check(at_ms)
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

    def _check(self, at_ms: int) -> None:
        """Look whether a time can be true.

        Raises:
            ProcessingError: no calendar has it.
            RejectedError: it is beyond `max_skew`.
        """
        if not _FIRST_MS <= at_ms <= _LAST_MS:
            raise ProcessingError(
                f"{self._address}: its time {at_ms} is not between the years 1 and 9999; is it in"
                f" the format {self.Options.format!r}?"
            )
        now_ms = int(self.App.time() * 1000)
        self._unquestioned_ms = min(now_ms + self._skew_ms, _LAST_MS)
        if at_ms > self._unquestioned_ms:
            self._counter.add("skewed", 1)
            raise RejectedError(
                f"{self._address}: its time {at_ms} is {(at_ms - now_ms) / 1000:g} s ahead of the"
                f" clock; max_skew is {self.Options.max_skew:g} s"
            )

    # Partitions

    def _choose_partitions(self, context: Context) -> Callable[[Context, Event], Hashable]:
        """Decide, at the first event, what has a clock of its own."""
        found: Callable[[Context, Event], Hashable] = _the_only_one
        if type(self).partition is not EventTime.partition:
            found = self.partition
        elif len(self.Pipeline.Sources) > 1:
            found = self._of_source
        elif "_kafka_partition" in context:
            found = _of_kafka
        self._partition_of = found
        if found == self._of_source:
            for source in self.Pipeline.Sources:
                self._watermarks.expect(source.Id)
        self._look_at_sources(is_clear=False)
        return found

    def _of_source(self, context: Context, event: Event) -> Hashable:
        """Return which source brings the event, and which partition of it."""
        name = context.get(SOURCE, _OTHERS)
        if name == _OTHERS and _OTHERS not in self._watermarks:
            # It is one of these; it may never come under its own name.
            self._watermarks.expect(_OTHERS)
            for source in self.Pipeline.Sources:
                if not isinstance(source, PullSource):
                    self._watermarks.leave(source.Id)
        return (name, *_of_kafka(context, event)) if "_kafka_partition" in context else name

    def look(self, now_ms: int, feeding: Mapping[str, int] | None) -> None:
        super().look(now_ms, feeding)
        self._unquestioned_ms = _LAST_MS
        if self._skew_ms:
            # The clock may have been set back.
            self._unquestioned_ms = min(now_ms + self._skew_ms, _LAST_MS)
        if self._partition_of is not None and feeding is not None:
            self._look_at_sources(is_clear=True)

    def _look_at_sources(self, *, is_clear: bool) -> None:
        """Wait for all that the sources read, and for nothing that they read no more.

        Args:
            is_clear: nothing that they have brought is still on its way to here.
        """
        sources = self.Pipeline.Sources
        if self._partition_of == self._of_source:
            for source in sources:
                has_ended = is_clear and source.is_finished()
                parts = () if has_ended else source.partitions()
                if parts is not None:
                    self._compare([(source.Id, *part) for part in parts], source.Id, is_clear)
            if is_clear and all(s.is_finished() for s in sources if not isinstance(s, PullSource)):
                self._watermarks.leave(_OTHERS)
        elif self._partition_of is _of_kafka and (names := sources[0].partitions()) is not None:
            self._compare(names, None, is_clear)

    def _compare(self, names: Collection[Hashable], source_id: str | None, is_clear: bool) -> None:
        """Wait for partitions, and for no others of a source; `None` if there is only one."""
        for name in names:
            self._watermarks.expect(name)
        for partition in self._watermarks.partitions():
            first, is_part = (
                (partition[0], True) if type(partition) is tuple else (partition, False)
            )
            if source_id in (None, first) and partition not in names and (is_clear or not is_part):
                self._watermarks.leave(partition)


def _the_only_one(_context: Context, _event: Event) -> None:
    """Return the name of the only partition."""


def _of_kafka(context: Context, _event: Event) -> tuple[Any, Any]:
    return context["_kafka_topic"], context["_kafka_partition"]
