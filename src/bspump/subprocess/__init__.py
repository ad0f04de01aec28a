"""Programs as sources: what they write is what comes in."""

from .source import SubProcessSource

__all__ = ["SubProcessSource"]
