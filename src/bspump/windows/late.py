"""What becomes of events that come too late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bspump.abc.errors import ConfigError, RejectedError, UnknownNameError

if TYPE_CHECKING:
    from bspump.abc.event_time import TimedProcessor
    from bspump.abc.host import Context, Event


class LateEvents:
    """Counts them, and drops them, rejects them or sends them aside.

    Args:
        part: the processor to which they come.
        policy: `drop`, `reject`, or the address of a source, `Pipeline.*SourceId`.

    Raises:
        ConfigError: it is none of these.
    """

    def __init__(self, part: TimedProcessor, policy: str) -> None:
        self._part, self._policy = part, policy
        self._put: Any = None
        self.count = 0
        if policy not in ("drop", "reject") and ".*" not in policy:
            raise ConfigError(
                f"{part.locate_address()}: late: expected `drop`, `reject` or an address"
                f" `Pipeline.*SourceId`, got {policy!r} [{ConfigError.Code}]"
            )
        tags = {"pipeline": part.Pipeline.Id, "processor": part.Id}
        self._counter = part.Pipeline.MetricsService.create_counter(
            "bspump.event_time.late", tags, {"late": 0}, description="Events that came too late"
        )
        part.Pipeline.PubSub.subscribe("bspump.pipeline.start!", self._on_start)

    def _on_start(self, _message: str, **_kwargs: Any) -> None:
        # From then on it is known who feeds whom: a pipeline to which nothing is ever late would
        # wait for it for ever.
        if ".*" in self._policy and self._part.App.PumpService.locate(self._policy) is not None:
            self.open()

    @property
    def Pipeline(self) -> Any:
        """The pipeline they come from; sources ask for it to hold it back."""
        return self._part.Pipeline

    def may_feed(self, source: Any) -> bool:
        """Tell whether they go to `source`."""
        return source.locate_address() == self._policy

    def open(self) -> None:
        """Find where they are sent, and be known there; once all pipelines are made."""
        if ".*" in self._policy and self._put is None:
            self._put = self._locate()

    def take(self, context: Context, event: Event, at_ms: int, watermark_ms: int) -> None:
        """Deal with one."""
        self.count += 1
        self._counter.add("late", 1)
        if self._policy == "drop":
            return
        if self._policy == "reject":
            error = RejectedError(
                f"{self._part.locate_address()}: too late by {(watermark_ms - at_ms) / 1000:g} s:"
                f" its time is {at_ms}, the watermark {watermark_ms}"
            )
            self._part.Pipeline.reject([(context, event)], error, self._part)
            return
        self._put(context.copy(), event)

    def _locate(self) -> Any:
        """Return what takes events at the address, and be held back by it from now on."""
        source = self._part.App.PumpService.locate(self._policy)
        take = getattr(source, "accept", None) or getattr(source, "put", None)
        if take is None:
            raise UnknownNameError(
                "source", self._policy, used_by=f"{self._part.locate_address()}, late"
            )
        if hasattr(source, "attach"):
            source.attach(self)
        return take
