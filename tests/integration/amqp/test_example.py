"""The example of the documentation does what it says."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from bspump.testing import eventually

pytestmark = pytest.mark.integration

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "amqp_router.py"
QUEUES = ("orders-cz", "orders-de", "orders-bad")


async def test_orders_are_sorted_and_broken_ones_are_kept(broker, tmp_path):
    for queue in QUEUES:
        await broker.declare(queue)
    option = f"[connection:Rabbit] url={broker.url}"
    command = [sys.executable, str(EXAMPLE), "--set", option]
    program = await asyncio.create_subprocess_exec(*command, cwd=tmp_path)
    try:
        broker.queue = "orders"
        await eventually(broker.has_queue, 20)
        await broker.publish([b'{"country":"CZ"}', b"{oops", b'{"country":"DE"}'])
        found = {queue: [] for queue in QUEUES}

        async def have_come():
            for queue in QUEUES:
                found[queue] += [message.body for message in await broker.take(queue)]
            return all(found.values())

        await eventually(have_come, 20)
    finally:
        program.send_signal(signal.SIGINT)
        code = await asyncio.wait_for(program.wait(), 20)
        for queue in QUEUES:
            await broker.channel.queue_delete(queue)
    assert code == 0
    assert list(found.values()) == [[b'{"country":"CZ"}'], [b'{"country":"DE"}'], [b"{oops"]]
