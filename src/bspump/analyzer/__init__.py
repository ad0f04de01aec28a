"""Analyzers: processors that pass events and look at them, one by one and all together."""

from __future__ import annotations

from .analyzer import Analyzer
from .geo import GeoAnalyzer
from .latch import LatchAnalyzer
from .session import SessionAnalyzer
from .source import AnalyzingSource
from .threshold import ThresholdAnalyzer
from .timedrift import TimeDriftAnalyzer
from .timewindow import TimeWindowAnalyzer

__all__ = [
    "Analyzer",
    "AnalyzingSource",
    "GeoAnalyzer",
    "LatchAnalyzer",
    "SessionAnalyzer",
    "ThresholdAnalyzer",
    "TimeDriftAnalyzer",
    "TimeWindowAnalyzer",
]
