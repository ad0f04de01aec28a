"""From what a pipeline is made of to the functions that run it, also while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bspump.abc.event_time import TimeSource
from bspump.abc.processor import ProcessorBase
from bspump.abc.sink import BatchSink

from .accounts import Accounts
from .drive_epochs import sink_driver
from .drive_sink import SinkDriver
from .failures import Failures
from .flow import Caller, caller_of
from .run import Run

if TYPE_CHECKING:
    from .pipeline import Pipeline

_CHANGING = "the pipeline is being changed"


class Compilation:
    """Keeps the chain of a pipeline up to date.

    A change of a pipeline that runs takes effect between two events: nothing enters until what
    had entered has left the old chain, new parts are open, and a sink that was taken out has
    written what it had.

    Attributes:
        is_done: the chain is what the pipeline is made of.
        drivers: of the batch sinks.
    """

    def __init__(self, pipeline: Pipeline, failures: Failures, accounts: Accounts) -> None:
        self._pipeline, self._failures, self._accounts = pipeline, failures, accounts
        self.is_done = False
        self.drivers: dict[ProcessorBase, SinkDriver] = {}

    def caller(self, part: ProcessorBase) -> Caller:
        """Return what the chain calls of a part."""
        return caller_of(self.drivers.get(part, part))

    def changed(self, part: ProcessorBase | None, run: Run | None) -> None:
        """Take note that `part` was added, or one was removed; `run` is the one to adapt."""
        pipeline = self._pipeline
        self.is_done = False
        if isinstance(part, BatchSink) and part not in self.drivers:
            self.drivers[part] = sink_driver(part, self._failures, pipeline.L)
        if run is not None and not run.is_stopping() and not pipeline.Flow.gate.has(_CHANGING):
            # What is under way ends in the chain that it has entered.
            pipeline.Flow.keep_out(_CHANGING)
            run.spawn(self._adapt(run), name="change")

    async def _adapt(self, run: Run) -> None:
        """Open new parts, compile anew as soon as nothing is under way, close what is gone."""
        flow, parts = self._pipeline.Flow, run.parts
        try:
            while not self.is_done and await parts.open_new():
                await flow.drained()
                await parts.write_what_goes()
                if not flow.under_way() and parts.are_all_open():
                    self.compile()
                    pipeline = self._pipeline
                    pipeline.App.EventTimeService.follow(pipeline)
        finally:
            flow.let_in(_CHANGING)
        await parts.close_gone()

    def prepare(self) -> None:
        """Compile before a start, if that is necessary.

        Parts that were changed since a stop have no place any more for what it had left.
        """
        if self.is_done:
            return
        pipeline, parts = self._pipeline, set(self._pipeline.iter_processors())
        gone = [self.drivers.pop(part) for part in list(self.drivers) if part not in parts]
        count = pipeline.Flow.forget() + sum(map(len, gone))
        if count:
            pipeline.L.error("events are lost: parts were changed after the stop", count=count)
        self.compile()

    def compile(self) -> None:
        """Compile; nothing may be under way."""
        pipeline = self._pipeline
        self.is_done = True
        parts = list(pipeline.iter_processors())
        has_times = any(isinstance(part, TimeSource) for part in parts)
        pipeline.Flow.compile(
            pipeline.Processors, marks_origin=has_times and len(pipeline.Sources) > 1
        )
        driver = self.drivers.get(parts[-1]) if parts else None
        self._accounts.follow(
            pipeline.Flow.chain, (lambda: driver.written) if driver is not None else None
        )
        pipeline.bind()
