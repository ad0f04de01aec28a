"""Matrices: state as numpy arrays, whose rows are entities; shared by name between parts."""

from __future__ import annotations

from .export import SessionMatrixExportCSVGenerator, TimeWindowMatrixExportCSVGenerator
from .geo import GeoMatrix, PersistentGeoMatrix
from .matrix import Matrix
from .named import NamedMatrix
from .persistent import PersistentMatrix, PersistentNamedMatrix
from .session import PersistentSessionMatrix, SessionMatrix
from .source import MatrixSource
from .timewindow import PersistentTimeWindowMatrix, TimeWindowMatrix

__all__ = [
    "GeoMatrix",
    "Matrix",
    "MatrixSource",
    "NamedMatrix",
    "PersistentGeoMatrix",
    "PersistentMatrix",
    "PersistentNamedMatrix",
    "PersistentSessionMatrix",
    "PersistentTimeWindowMatrix",
    "SessionMatrix",
    "SessionMatrixExportCSVGenerator",
    "TimeWindowMatrix",
    "TimeWindowMatrixExportCSVGenerator",
]
