"""Event time, windows and aggregations: processors, and the choices they take."""

from __future__ import annotations

from bspump.abc.keyed import KeyedProcessor, Timer
from bspump.windows.aggregation import (
    Aggregation,
    Count,
    Deviation,
    First,
    Last,
    Max,
    Mean,
    Min,
    Sum,
    Variance,
)
from bspump.windows.calendars import Calendar
from bspump.windows.collecting import Collect, Distinct, Quantiles, TopK
from bspump.windows.open_windows import Firing
from bspump.windows.sketches import ApproxDistinct, ApproxQuantiles, ApproxTopK
from bspump.windows.spans import Counted, Global, Hopping, Session, Tumbling
from bspump.windows.triggers import Every, EveryCount, When

from .aggregator import WindowAggregator
from .event_time import EventTime
from .sender_time import SenderTime

__all__ = [
    "Aggregation",
    "ApproxDistinct",
    "ApproxQuantiles",
    "ApproxTopK",
    "Calendar",
    "Collect",
    "Count",
    "Counted",
    "Deviation",
    "Distinct",
    "EventTime",
    "Every",
    "EveryCount",
    "Firing",
    "First",
    "Global",
    "Hopping",
    "KeyedProcessor",
    "Last",
    "Max",
    "Mean",
    "Min",
    "Quantiles",
    "SenderTime",
    "Session",
    "Sum",
    "Timer",
    "TopK",
    "Tumbling",
    "Variance",
    "When",
    "WindowAggregator",
]
