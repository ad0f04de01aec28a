"""The example that watches its machine."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import bspump

EXAMPLE = "examples/host/main.py"
SOURCE = "[pipeline:Host:HostSource]"
THRESHOLDS = "[pipeline:Host:Thresholds]"


@pytest.fixture
def host(monkeypatch) -> ModuleType:
    """The example as a module."""
    path = Path(__file__).parents[2] / EXAMPLE
    spec = importlib.util.spec_from_file_location("host_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # The types of its options are looked up there.
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


async def test_a_few_samples_become_lines_and_then_it_ends(start):
    program = await start(
        EXAMPLE, "--set", f"{SOURCE} samples=3", "--set", f"{SOURCE} interval=100ms"
    )
    assert await program.end() == 0, program.log
    lines = program.output.splitlines()
    assert len(lines) == 2, "the first sample has nothing before it to be compared with"
    assert all("cpu" in line and "received" in line for line in lines)
    assert "ERROR" not in program.log


async def test_it_runs_until_ctrl_c_and_warns_in_time(start):
    program = await start(
        EXAMPLE,
        *("--set", f"{SOURCE} interval=50ms"),
        *("--set", f"{THRESHOLDS} high=0", "--set", f"{THRESHOLDS} low=0"),
    )
    await program.says("HIGH: cpu, disk, memory")
    assert await program.interrupt() == 0
    assert program.log.count("is high what=memory") == 1


async def test_between_the_thresholds_nothing_changes(host):
    app = bspump.BSPumpApplication(args=[])
    thresholds = host.Thresholds(app, bspump.Pipeline(app, "Host"))
    percents = [10, 89, 90, 80, 95, 75, 74, 89, 10]
    found = [
        bool(thresholds.process({}, {"cpu": percent, "memory": 0, "disk": 0})["alerts"])
        for percent in percents
    ]
    assert found == [False, False, True, True, True, True, False, False, False]


async def test_a_total_that_went_back_is_no_negative_rate(host):
    app = bspump.BSPumpApplication(args=[])
    rates = host.Rates(app, bspump.Pipeline(app, "Host"))
    totals = {"read": 100, "written": 100, "received": 100, "sent": 100}
    assert rates.process({}, {"time": 10.0, **totals}) is None
    event = rates.process({}, {"time": 12.0, **totals, "read": 300, "sent": 5})
    assert (event["read"], event["written"], event["sent"]) == (100.0, 0.0, 0.0)
