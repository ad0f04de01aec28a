"""Plain functions as processors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from bspump.abc.host import Context, Event
from bspump.abc.processor import AsyncProcessor, Processor, ProcessorBase


class FunctionProcessor(Processor):
    """Calls a function `(context, event) -> event`; its Id is the name of the function."""

    def __init__(self, app: Any, pipeline: Any, function: Callable[[Context, Event], Any]) -> None:
        super().__init__(app, pipeline, _name(function))
        self.process = function  # type: ignore[method-assign]  # saves a call per event

    def rest_get(self) -> dict[str, Any]:
        return {**super().rest_get(), "Class": self.Id}


class AsyncFunctionProcessor(AsyncProcessor):
    """Awaits a coroutine function `(context, event) -> event`; see `AsyncProcessor`."""

    def __init__(self, app: Any, pipeline: Any, function: Callable[[Context, Event], Any]) -> None:
        super().__init__(app, pipeline, _name(function))
        self.process = function  # type: ignore[method-assign]  # saves a coroutine per event

    def rest_get(self) -> dict[str, Any]:
        return {**super().rest_get(), "Class": self.Id}


def as_processor(app: Any, pipeline: Any, part: Any) -> ProcessorBase:
    """Return `part`, a function wrapped as a processor.

    Raises:
        TypeError: it is neither a processor nor callable.
    """
    if isinstance(part, ProcessorBase):
        return part
    if inspect.isclass(part) or not callable(part):
        raise TypeError(
            f"pipeline {pipeline.Id!r}: expected a processor, a sink or a function "
            f"(context, event) -> event, got {part!r}"
        )
    if inspect.iscoroutinefunction(part):
        return AsyncFunctionProcessor(app, pipeline, part)
    return FunctionProcessor(app, pipeline, part)


def _name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "function" if name == "<lambda>" else name
