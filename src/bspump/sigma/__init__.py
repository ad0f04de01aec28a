"""Sigma: the security community's rules, held against events, and correlations of them."""

from __future__ import annotations

from .correlations import Correlation
from .correlator import Correlated, SigmaCorrelator
from .detector import SigmaDetector, SigmaFilter
from .index import RuleSet
from .rules import Rule

__all__ = [
    "Correlated",
    "Correlation",
    "Rule",
    "RuleSet",
    "SigmaCorrelator",
    "SigmaDetector",
    "SigmaFilter",
]
