"""Test cases of the standard library with an application."""

from __future__ import annotations

import asyncio
import logging
import unittest
from collections.abc import Iterable
from typing import Any

from bspump.core.application import BSPumpApplication

from .pipeline import UnitTestPipeline


class TestCase(unittest.TestCase):
    """A test with an application in `App`, which is made anew for each test."""

    def setUp(self) -> None:
        root = logging.getLogger()
        self.addCleanup(_put_back, root, list(root.handlers), root.level)
        self.App: Any = BSPumpApplication(args=[])

    def tearDown(self) -> None:
        if not self.App.Loop.is_closed():
            # It was never run, so there is nothing to end in it.
            self.App.Loop.close()
            asyncio.set_event_loop(None)
        self.App = None


class ProcessorTestCase(TestCase):
    """A test of one processor: `set_up_processor`, then `execute`."""

    def setUp(self) -> None:
        super().setUp()
        self.Pipeline: UnitTestPipeline | None = None

    def tearDown(self) -> None:
        self.Pipeline = None
        super().tearDown()

    def set_up_processor(self, processor: type[Any], *args: Any, **kwargs: Any) -> None:
        """Make the processor, with these arguments behind the application and the pipeline."""
        self.Pipeline = UnitTestPipeline(self.App, processor, *args, **kwargs)
        self.App.PumpService.add_pipeline(self.Pipeline)

    def execute(
        self, input_data: Iterable[tuple[dict[str, Any] | None, Any]]
    ) -> list[tuple[dict[str, Any], Any]]:
        """Run the application until all input is processed; return what has come out.

        Args:
            input_data: pairs of a context (or `None`) and an event, in any iterable.

        Returns:
            Pairs of a context and an event.

        Raises:
            RuntimeError: there is no processor, or it was executed already.
            Exception: the error of the processor.
        """
        pipeline = self.Pipeline
        if pipeline is None:
            raise RuntimeError("call `set_up_processor` before `execute`")
        if self.App.Loop.is_closed():
            raise RuntimeError("a test can execute once; put all events into one input")
        pipeline.Source.Input = input_data
        pipeline.unittest_start()
        self.App.run()
        if pipeline.Error is not None:
            raise pipeline.Error
        return pipeline.Sink.Output


def _put_back(root: logging.Logger, handlers: list[logging.Handler], level: int) -> None:
    root.handlers[:] = handlers
    root.setLevel(level)
