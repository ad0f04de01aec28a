"""Where state is kept: checkpoints and dead letters, and the log behind disk buffers."""

from .memory import MemoryStateStore
from .segment_files import LogBlock
from .segment_log import LogStats, SegmentLog
from .segments import Damage
from .sqlite import SqliteStateStore
from .sqlite_letters import SqliteDeadLetters

__all__ = [
    "Damage",
    "LogBlock",
    "LogStats",
    "MemoryStateStore",
    "SegmentLog",
    "SqliteDeadLetters",
    "SqliteStateStore",
]
