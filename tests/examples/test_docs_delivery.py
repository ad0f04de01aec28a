"""The examples of the page on delivery go on where a killed program had come to."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from bspump.testing import eventually

CUSTOMERS = ("ann", "bob", "eve")
QUICKLY = ("--set", "[checkpoint] interval=0.05")
ORDERS = 600


def add_orders(directory, begin, end):
    with (directory / "orders.ndjson").open("a") as file:
        for number in range(begin, end):
            order = {"number": number, "customer": CUSTOMERS[number % 3], "cents": number}
            file.write(json.dumps(order) + "\n")


def expected_totals():
    spent = dict.fromkeys(CUSTOMERS, 0)
    totals = {}
    for number in range(ORDERS):
        spent[CUSTOMERS[number % 3]] += number
        totals[number] = spent[CUSTOMERS[number % 3]]
    return totals


def written(directory):
    """Return all lines that are in files, whatever these are called, with repetitions."""
    files = [*directory.glob("totals*"), *directory.glob(".totals*")]
    return [line for path in files for line in path.read_bytes().splitlines()]


def rows(directory):
    if not (directory / "orders.sqlite").exists():
        return []
    with closing(sqlite3.connect(directory / "orders.sqlite")) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'orders'").fetchone():
            return []
        return [number for (number,) in database.execute("SELECT number FROM orders")]


async def test_totals_are_right_after_a_kill(start, tmp_path):
    add_orders(tmp_path, 0, 300)
    program = await start("docs/examples/stateful.py", *QUICKLY)
    await eventually(lambda: len(written(tmp_path)) >= 300, within_s=30)
    add_orders(tmp_path, 300, 450)
    program.process.kill()
    await program.process.wait()
    add_orders(tmp_path, 450, ORDERS)
    program = await start("docs/examples/stateful.py", *QUICKLY)
    await eventually(lambda: len(written(tmp_path)) >= ORDERS, within_s=30)
    assert await program.interrupt() == 0
    files = sorted(tmp_path.glob("totals*"))
    found = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert len(found) == ORDERS
    assert {each["number"]: each["total_cents"] for each in found} == expected_totals()


async def test_rows_are_there_exactly_once_after_a_kill(start, tmp_path):
    add_orders(tmp_path, 0, 300)
    program = await start("docs/examples/stateful_sink.py", *QUICKLY)
    await eventually(lambda: len(rows(tmp_path)) >= 300, within_s=30)
    add_orders(tmp_path, 300, 450)
    program.process.kill()
    await program.process.wait()
    add_orders(tmp_path, 450, ORDERS)
    program = await start("docs/examples/stateful_sink.py", *QUICKLY)
    await eventually(lambda: len(rows(tmp_path)) >= ORDERS, within_s=30)
    assert await program.interrupt() == 0
    assert sorted(rows(tmp_path)) == list(range(ORDERS))
