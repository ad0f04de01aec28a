"""The example of the page on keyed state goes on where it was, and its state can be looked at."""

from __future__ import annotations

import asyncio
import json

import pytest

from bspump.__main__ import main

QUICKLY = ("--set", "[checkpoint] interval=0.05")


def add(directory, *events):
    with (directory / "orders.ndjson").open("a") as file:
        for at, order, what in events:
            line = {"at": f"2026-05-01T{at}:00Z", "order": order, "what": what}
            file.write(json.dumps(line) + "\n")


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
async def test_orders_that_are_not_paid_are_reported_also_after_a_stop(
    start, tmp_path, capsys, store
):
    if store == "rocksdb":
        pytest.importorskip("rocksdict")
    options = (*QUICKLY, "--set", f"[pipeline:Orders:Payments] store={store}")
    add(tmp_path, ("12:00", 1, "placed"), ("12:05", 2, "placed"), ("12:10", 1, "paid"))
    program = await start("docs/examples/keyed_state.py", *options)
    await program.says("order 1: paid after 10 min")
    assert await program.interrupt() == 0

    data = ["--data", str(tmp_path / "data")]
    why = ["state", "why", "Orders.Payments", "--key", "2", *data]
    assert await asyncio.to_thread(main, why) == 0
    assert "timer 'patience' at 2026-05-01T12:35:00Z" in capsys.readouterr().out

    add(tmp_path, ("12:20", 3, "placed"), ("12:40", 3, "paid"))
    program = await start("docs/examples/keyed_state.py", *options)
    await program.says("order 3: paid after 20 min")
    await program.says("order 2: not paid within 30 min")
    assert await program.interrupt() == 0
