"""A buffer on disk in front of sources that cannot bring their input again."""

from .options import DiskBufferSourceOptions
from .source import DiskBufferSource

__all__ = ["DiskBufferSource", "DiskBufferSourceOptions"]
