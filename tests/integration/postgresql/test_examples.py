"""The example does what it says, also when it is killed."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from bspump.testing import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(120)]

EXAMPLES = Path(__file__).parents[3] / "docs/examples"
WITHIN_S = 30.0
AUDIT = "SELECT operation, key->>'id', new->>'state' FROM audit ORDER BY lsn, sequence"


@pytest.fixture
def start(database, tmp_path):
    """Yield a function that starts the example; what still runs is killed."""
    database.execute("CREATE TABLE orders (id integer PRIMARY KEY, state text)")
    database.execute(
        "CREATE TABLE audit (lsn bigint, sequence bigint, operation text, key jsonb, old jsonb,"
        " new jsonb, PRIMARY KEY (lsn, sequence))"
    )
    given = [f"[connection:PG] {key}={value}" for key, value in database.config.items()]

    started = []

    async def start():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", str(EXAMPLES / "postgresql_audit.py")),
            *(part for option in given for part in ("--set", option)),
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()


async def test_every_change_of_the_orders_is_in_the_audit(database, start):
    database.execute("INSERT INTO orders VALUES (1, 'new')")
    process = await start()
    try:
        await eventually(lambda: database.confirmed("audit") >= 0, WITHIN_S)
        database.execute("UPDATE orders SET state = 'paid'")
        database.execute("DELETE FROM orders")
        await eventually(lambda: len(database.execute(AUDIT)) == 3, WITHIN_S)
    finally:
        process.send_signal(signal.SIGINT)
        code = await process.wait()
    assert code == 0
    assert database.execute(AUDIT) == [
        ("snapshot", "1", "new"),
        ("update", "1", "paid"),
        ("delete", "1", None),
    ]


async def test_killed_at_any_moment_it_misses_and_repeats_nothing(database, start):
    count = 0
    for _ in range(4):
        process = await start()
        await eventually(lambda: database.confirmed("audit") >= 0, WITHIN_S)
        written = len(database.execute(AUDIT))
        for _ in range(20):
            database.execute(
                "INSERT INTO orders SELECT n, 'new' FROM generate_series(%s::int, %s::int) n",
                [count + 1, count + 500],
            )
            count += 500
        await eventually(lambda n=written: len(database.execute(AUDIT)) > n, WITHIN_S)
        await asyncio.sleep(random.uniform(0, 0.3))
        process.kill()
        await process.wait()
    process = await start()
    # One more, for the others may all be there already, and a program that has not begun cannot
    # end in order.
    count += 1
    database.execute("INSERT INTO orders VALUES (%s, 'new')", [count])
    await eventually(lambda: len(database.execute(AUDIT)) >= count, WITHIN_S)
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0
    found = database.execute(AUDIT)
    assert found == [("insert", str(n), "new") for n in range(1, count + 1)]
