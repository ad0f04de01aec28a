"""Models: what was learnt elsewhere and is applied to events here."""

from __future__ import annotations

from .model import Model

__all__ = ["Model"]
