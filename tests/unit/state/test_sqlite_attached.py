"""Dead letters from another process, beside the application that holds the store."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from bspump.abc.dead_letters import ALL_LETTERS, DeadLetter, LetterFilter
from bspump.abc.errors import ConfigError
from bspump.abc.state import Epoch, Snapshot
from bspump.state import SqliteDeadLetters, SqliteStateStore

VISITOR = """
import asyncio, sys
from bspump.abc.dead_letters import LetterFilter
from bspump.state import SqliteDeadLetters

async def main():
    async with SqliteDeadLetters.attach(sys.argv[1]) as letters:
        for each in await letters.find(limit=1000):
            if each.id % 3 == 0:
                await letters.remove(LetterFilter(ids=[each.id]))
            if each.id % 3 == 1:
                await letters.request_replay(LetterFilter(ids=[each.id]))

asyncio.run(main())
"""


def letter(number):
    return DeadLetter(
        pipeline="A", part="B", event=number, error_type="E", error_text="wrong", at_s=0
    )


async def opened(path):
    store = SqliteStateStore(path)
    await store.open()
    return store


async def test_letters_are_used_from_another_process_while_the_application_writes(tmp_path):
    path = tmp_path / "state.db"
    store = await opened(path)
    ids = await store.dead_letters.put([letter(n) for n in range(30)])
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", VISITOR, str(path))
    ended, number = asyncio.ensure_future(process.wait()), 0
    while not ended.done():
        number += 1
        state = store.freeze("P", Snapshot(changed={number: b"x" * 1000}))
        await store.commit(Epoch(group="G", number=number, at_s=0, states={"P": state}))
    assert ended.result() == 0
    assert number > 3
    assert [each.id for each in await store.dead_letters.requested()] == [
        id_ for id_ in ids if id_ % 3 == 1
    ]
    stats = await store.dead_letters.stats()
    assert (await store.dead_letters.count(), stats.letters) == (20, 20)
    await store.close()


async def test_letters_are_used_while_no_application_runs(tmp_path):
    path = tmp_path / "state.db"
    store = await opened(path)
    (id_,) = await store.dead_letters.put([letter(1)])
    await store.close()
    async with SqliteDeadLetters.attach(path) as letters:
        assert await letters.request_replay(ALL_LETTERS) == 1
        # Nor does it keep an application from starting.
        store = await opened(path)
        assert [each.event for each in await store.dead_letters.requested()] == [1]
        await store.dead_letters.mark_replayed(LetterFilter(ids=[id_]), at_s=5)
        assert await letters.requested() == []
        await store.close()
        assert await letters.remove(ALL_LETTERS) == 1
    assert {each.name for each in tmp_path.iterdir()} == {"state.db", "state.db.lock"}


async def test_where_there_is_no_store_none_is_made(tmp_path):
    with pytest.raises(ConfigError, match=r"(?s)nowhere/state\.db.*what to do"):
        async with SqliteDeadLetters.attach(tmp_path / "nowhere" / "state.db"):
            pass
    assert list(tmp_path.iterdir()) == []


async def test_stores_have_different_lineages(tmp_path):
    stores = [await opened(tmp_path / name) for name in ("a.db", "b.db")]
    assert stores[0].lineage != stores[1].lineage
    for store in stores:
        await store.close()
    with pytest.raises(RuntimeError, match="is not open"):
        _ = SqliteStateStore(tmp_path / "a.db").lineage


def test_a_visitor_that_is_killed_leaves_the_letters_whole(tmp_path):
    path = tmp_path / "state.db"

    async def put():
        store = await opened(path)
        await store.dead_letters.put([letter(n) for n in range(900)])
        await store.close()

    async def counted():
        store = await opened(path)
        stats, count = await store.dead_letters.stats(), await store.dead_letters.count()
        await store.close()
        return stats.letters, count

    asyncio.run(put())
    program = VISITOR.replace("each.id % 3 == 0", "print(each.id, flush=True) or each.id % 3 == 0")
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE
    ) as process:
        for _ in range(20):
            process.stdout.readline()
        process.kill()
    letters, count = asyncio.run(counted())
    assert letters == count
    assert 600 < count < 900
