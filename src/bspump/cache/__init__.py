"""Caches: a plain one, and one that is bounded in size and age."""

from __future__ import annotations

from .lru import CacheDict, LRUCacheDict

__all__ = ["CacheDict", "LRUCacheDict"]
