"""Filters: which events pass, and what of them."""

from __future__ import annotations

from .attribute import AttributeFilter
from .content import ContentFilter
from .query import compile_query
from .time_drift import TimeDriftFilter

__all__ = ["AttributeFilter", "ContentFilter", "TimeDriftFilter", "compile_query"]
