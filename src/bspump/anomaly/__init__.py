"""Anomalies: what is unusual, found by detectors, from its first symptom to its end."""

from __future__ import annotations

from .anomaly import Anomaly, GeneralAnomaly
from .detector import LARGEST_SCORE, UNKNOWN, Detector, Observation, Score
from .drift import ADWIN, DriftDetector, PageHinkley
from .gaussian import EWMA, ZScore
from .halfspace import HalfSpaceTrees
from .holtwinters import HoltWinters
from .manager import AnomalyAnalyzer, AnomalyManager
from .options import AnomalyOptions, IncidentOptions, ThresholdOptions
from .processor import AnomalyDetector
from .quantile import QuantileSketch
from .robust import RobustZScore
from .seasonal import SeasonalBaseline
from .storage import AnomalyStorage

__all__ = [
    "ADWIN",
    "EWMA",
    "LARGEST_SCORE",
    "UNKNOWN",
    "Anomaly",
    "AnomalyAnalyzer",
    "AnomalyDetector",
    "AnomalyManager",
    "AnomalyOptions",
    "AnomalyStorage",
    "Detector",
    "DriftDetector",
    "GeneralAnomaly",
    "HalfSpaceTrees",
    "HoltWinters",
    "IncidentOptions",
    "Observation",
    "PageHinkley",
    "QuantileSketch",
    "RobustZScore",
    "Score",
    "SeasonalBaseline",
    "ThresholdOptions",
    "ZScore",
]
