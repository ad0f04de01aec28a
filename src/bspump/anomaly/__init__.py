"""Anomalies: what is unusual, from its first symptom to its end."""

from __future__ import annotations

from .anomaly import Anomaly, GeneralAnomaly
from .manager import AnomalyAnalyzer, AnomalyManager
from .storage import AnomalyStorage

__all__ = [
    "Anomaly",
    "AnomalyAnalyzer",
    "AnomalyManager",
    "AnomalyStorage",
    "GeneralAnomaly",
]
