"""How the benchmarks measure: CPU time of this process, medians of runs that take turns."""

from __future__ import annotations

import gc
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

Run = Callable[[], float]
"""Does the work once and returns what it took, in CPU nanoseconds per event."""


def cpu_ns(events: int, work: Callable[[], object]) -> float:
    """Return CPU nanoseconds per event that `work()` takes."""
    gc.collect()
    start = time.process_time_ns()
    work()
    return (time.process_time_ns() - start) / events


async def cpu_ns_awaited(events: int, work: Callable[[], Awaitable[object]]) -> float:
    """Return CPU nanoseconds per event that awaiting `work()` takes."""
    gc.collect()
    start = time.process_time_ns()
    await work()
    return (time.process_time_ns() - start) / events


def in_turns(runs: Mapping[str, Run], *, repetitions: int = 9) -> dict[str, float]:
    """Return the median of each run; they take turns, so that all see the same machine."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repetitions):
        for name, run in runs.items():
            found[name].append(run())
    return {name: statistics.median(values) for name, values in found.items()}


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def heading(title: str) -> None:
    """Print what was measured, where and when."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        model = next((x.partition(": ")[2] for x in lines if x.startswith("model name")), model)
    today = datetime.fromtimestamp(time.time(), UTC).date()  # noqa: TID251 - it is for people
    print(f"{title}\n{model}, Python {platform.python_version()}, {today}\n")


def row(name: str, ns: float, bare_ns: float, limit: float | None = None) -> None:
    """Print a figure, its ratio to the bare one, and what the ratio may be."""
    allowed = "" if limit is None else f"   at most {limit:.3g}"
    print(f"{name:44}{ns:10.0f} ns{ns / bare_ns:8.2f} x{allowed}")
