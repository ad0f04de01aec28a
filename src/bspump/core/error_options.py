"""What a pipeline can be told about errors of events."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from bspump.abc.options import Duration, Options

Policy = Literal["stop", "skip", "exit", "dead_letter"]
"""What becomes of an event that failed for good.

`stop`: the pipeline stops until the error is cleared; `exit`: so does the application; `skip`: the
event is dropped and logged; `dead_letter`: it is set aside, with all that is known about why.
"""


class ErrorBudgetOptions(Options, frozen=True, kw_only=True):
    """How many events may fail before the pipeline stops, whatever the policy says."""

    percent: Annotated[
        float,
        Meta(ge=0, le=100, description="More events in a hundred that fail are too many; 0: off."),
    ] = 0.0
    window: Annotated[Duration, Meta(description="So far back events are counted.")] = 300.0
    least: Annotated[
        int, Meta(ge=1, description="Nothing is decided on fewer events in the window.")
    ] = 100
