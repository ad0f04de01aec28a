"""Small operators that remember something for each key of a stream."""

from __future__ import annotations

from .change_detector import ChangeDetector
from .deduplicator import Deduplicator
from .rate_limiter import RateLimiter
from .reservoir_sampler import ReservoirSampler
from .samplers import NthSampler, ShareSampler
from .sessionizer import Sessionizer
from .time_sorter import TimeSorter
from .waiting_enricher import WaitingEnricher

__all__ = [
    "ChangeDetector",
    "Deduplicator",
    "NthSampler",
    "RateLimiter",
    "ReservoirSampler",
    "Sessionizer",
    "ShareSampler",
    "TimeSorter",
    "WaitingEnricher",
]
