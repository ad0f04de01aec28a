"""The test kit: time that jumps, ends in memory, faults on purpose, and contracts to subclass.

It runs the real engine, needs nothing that bspump does not need itself, and is meant for the
tests of those who build on bspump as much as for ours. The contracts, in
`bspump.testing.contracts`, need pytest.
"""

from .crashes import crash_everywhere
from .eventually import eventually
from .faults import Fault, cancel_everywhere, disconnect, lose_reply, refuse, slow
from .harness import Failure, Harness
from .manual_clock import ManualClock
from .memory_ends import MemoryBatchSink, MemorySink, MemorySource, MemoryUpsertSink
from .memory_lookups import MemoryAsyncLookup, MemoryLookup, MemoryProvider
from .memory_transactions import MemoryEpochSink, MemoryTable, MemoryTwoPhaseSink
from .proxy import TcpProxy
from .virtual_time import StalledError, VirtualClock, VirtualLoop, run_virtual, virtual_time

__all__ = [
    "Failure",
    "Fault",
    "Harness",
    "ManualClock",
    "MemoryAsyncLookup",
    "MemoryBatchSink",
    "MemoryEpochSink",
    "MemoryLookup",
    "MemoryProvider",
    "MemorySink",
    "MemorySource",
    "MemoryTable",
    "MemoryTwoPhaseSink",
    "MemoryUpsertSink",
    "StalledError",
    "TcpProxy",
    "VirtualClock",
    "VirtualLoop",
    "cancel_everywhere",
    "crash_everywhere",
    "disconnect",
    "eventually",
    "lose_reply",
    "refuse",
    "run_virtual",
    "slow",
    "virtual_time",
]
