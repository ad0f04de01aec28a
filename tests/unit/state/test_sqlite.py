"""The store in a SQLite file: what the contract cannot ask of every store."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time

import pytest

from bspump.abc.dead_letters import DeadLetter
from bspump.abc.errors import ConfigError, TransientError
from bspump.abc.state import Epoch, Snapshot
from bspump.state import SqliteStateStore
from bspump.state.folding import Maintenance


async def opened(path, **options):
    store = SqliteStateStore(path, **options)
    await store.open()
    return store


async def open_and_close(path):
    await (await opened(path)).close()


async def commit(store, number, address="P", **snapshot):
    states = {address: store.freeze(address, Snapshot(**snapshot))}
    await store.commit(Epoch(group="G", number=number, at_s=0, states=states))


async def keyed(store, address="P"):
    return (await store.load_state("G", address)).keyed


def letter(text="wrong"):
    return DeadLetter(pipeline="A", part="B", event=1, error_type="E", error_text=text, at_s=0)


def rows(path, query):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchone()[0]
    finally:
        connection.close()


async def wait_until(condition):
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come about in time"
        await asyncio.sleep(0.005)


async def test_all_files_are_readable_by_their_owner_only(tmp_path):
    umask = os.umask(0)
    try:
        store = await opened(tmp_path / "data" / "app" / "state.db")
        await commit(store, 1, value=1)
        files = list((tmp_path / "data" / "app").iterdir())
        names = {path.name for path in files}
        assert names == {"state.db", "state.db-wal", "state.db-shm", "state.db.lock"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
        await store.close()
    finally:
        os.umask(umask)


HOLDER = """
import asyncio, sys
from bspump.state import SqliteStateStore

async def main():
    await SqliteStateStore(sys.argv[1]).open()
    print("open", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_the_process_that_has_the_store_is_named(tmp_path):
    path = tmp_path / "state.db"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"open\n"
            with pytest.raises(ConfigError, match=f"used by: process {process.pid} ") as caught:
                asyncio.run(opened(path))
            assert str(path) in str(caught.value)
        finally:
            process.kill()
    asyncio.run(open_and_close(path))  # The lock ends with the process.


def _make(path, content):
    path.write_bytes(content)


def _other_database(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE others (a)")
    connection.close()


def _newer(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def _damage(path):
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: _make(path, b""), "or what it held is gone"),
        (lambda path: _make(path, b"not a database, but long enough" * 100), "not a database"),
        (lambda path: _make(path, path.read_bytes()[:5000]), "malformed|disk image"),
        (_damage, "malformed"),
        (_newer, "version 99"),
        (lambda path: (path.unlink(), _other_database(path)), "no state store of bspump"),
        (lambda path: path.rename(path.with_name("state.db-wal")), "state.db-wal is still there"),
        (lambda path: (path.unlink(), path.mkdir()), "unable to open"),
    ],
)
async def test_a_store_that_cannot_be_read_is_never_an_empty_one(tmp_path, spoil, message):
    path = tmp_path / "state.db"
    store = await opened(path)
    await commit(store, 1, value=1, changed=dict.fromkeys(range(1000), "x" * 50))
    await store.close()
    spoil(path)
    for _ in range(2):
        with pytest.raises(ConfigError, match=message) as caught:
            await opened(path)
        assert str(path) in str(caught.value)
        assert "what to do" in str(caught.value)


async def test_damaged_data_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "state.db"
    store = await opened(path)
    await commit(store, 1, value="some text")
    await store.close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE parts SET value = x'd9ff'")
    connection.close()
    store = await opened(path)
    with pytest.raises(ConfigError, match=r"state\.db: something in the state store is damaged"):
        await store.load_state("G", "P")
    await store.close()


async def test_a_store_is_made_whole_or_not_at_all(tmp_path):
    path = tmp_path / "state.db"
    (tmp_path / "state.db.new").write_bytes(b"left by a crash")
    store = await opened(path)
    assert await store.groups() == []
    await store.close()
    assert {each.name for each in tmp_path.iterdir()} == {"state.db", "state.db.lock"}


async def test_changes_are_folded_into_rows_step_by_step(tmp_path):
    path = tmp_path / "state.db"
    store = await opened(path, maintenance=Maintenance(fold_bytes=2000, step_keys=7))
    expected = {}
    for number in range(1, 60):
        changed = {n * number % 211: f"{number}" * 10 for n in range(20)}
        removed = [n * number % 13 for n in range(3)]
        await commit(store, number, changed=changed, removed=removed)
        expected = {k: v for k, v in expected.items() if k not in removed} | changed
        if number % 10 == 0:
            assert await keyed(store) == expected
    await wait_until(lambda: rows(path, "SELECT total(size_bytes) FROM changes") < 2000)
    assert rows(path, "SELECT count(*) FROM keyed") > 100
    assert await keyed(store) == expected
    await store.close()
    store = await opened(path)
    assert await keyed(store) == expected
    await store.close()


async def test_what_belongs_to_no_part_any_more_is_swept_away(tmp_path):
    path = tmp_path / "state.db"
    store = await opened(path, maintenance=Maintenance(fold_bytes=0))
    many = {n: n for n in range(25_000)}
    for address in ("P", "Q", "R"):
        await commit(store, ord(address), address, changed=many)
    await store.drop("G", "P")
    await commit(store, 200, "Q", changed={1: 1}, is_complete=True)
    await commit(store, 201, "R", changed={1: 1})
    await wait_until(lambda: rows(path, "SELECT count(*) FROM keyed") == 25_001)
    await wait_until(lambda: rows(path, "SELECT count(*) FROM changes") == 0)
    assert await keyed(store, "Q") == {1: 1}
    assert await keyed(store, "R") == many
    await store.close()


async def test_changes_that_were_not_folded_are_swept_away_too(tmp_path):
    path = tmp_path / "state.db"
    store = await opened(path)
    for number in range(1, 9):
        await commit(store, number, "PQ"[number % 2], changed={number: number})
    await store.drop("G", "Q")
    await commit(store, 9, "R", value=1)
    await wait_until(lambda: rows(path, "SELECT count(*) FROM changes") == 4)
    assert await keyed(store) == {2: 2, 4: 4, 6: 6, 8: 8}
    await store.close()


async def test_the_log_of_sqlite_does_not_grow_for_ever(tmp_path):
    store = await opened(tmp_path / "state.db", synchronous="off")
    for number in range(1, 60):
        await commit(store, number, value=b"x" * 1_000_000)
    await wait_until(lambda: (tmp_path / "state.db-wal").stat().st_size < 40_000_000)
    await store.close()
    assert not (tmp_path / "state.db-wal").exists()


async def test_another_process_can_look_while_the_store_is_used(tmp_path):
    path = tmp_path / "state.db"
    store = await opened(path)
    (id_,) = await store.dead_letters.put([letter()])
    looking = await opened(path, is_read_only=True)
    assert [each.id for each in await looking.dead_letters.find()] == [id_]
    await store.dead_letters.put([letter("another")])
    await commit(store, 1, value=1)
    assert await looking.dead_letters.count() == 2
    assert (await looking.load("G")).epoch == 1
    with pytest.raises(RuntimeError, match="for reading only"):
        await looking.dead_letters.put([letter()])
    await looking.close()
    await store.close()
    looking = await opened(path, is_read_only=True)
    assert await looking.dead_letters.count() == 2
    await looking.close()
    await (await opened(path)).close()


async def test_looking_makes_no_store(tmp_path):
    with pytest.raises(ConfigError, match=r"state\.db"):
        await opened(tmp_path / "state.db", is_read_only=True)
    assert list(tmp_path.iterdir()) == []


async def test_the_loop_goes_on_while_something_is_committed(tmp_path):
    store = await opened(tmp_path / "state.db")
    frozen = store.freeze("P", Snapshot(changed=dict.fromkeys(range(50000), b"x" * 1000)))
    task = asyncio.create_task(
        store.commit(Epoch(group="G", number=1, at_s=0, states={"P": frozen}))
    )
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    await task
    await store.close()


async def test_a_store_that_is_not_open_says_so(tmp_path):
    store = SqliteStateStore(tmp_path / "state.db")
    with pytest.raises(RuntimeError, match=r"state\.db is not open"):
        await store.groups()
    await store.open()
    with pytest.raises(RuntimeError, match="open already"):
        await store.open()
    await store.close()
    with pytest.raises(RuntimeError, match="is not open"):
        await store.groups()


async def test_an_open_that_is_cancelled_leaves_no_lock_behind(tmp_path):
    for after_s in (0, 0.0005, 0.002, 0.01):
        store = SqliteStateStore(tmp_path / "state.db")
        task = asyncio.create_task(store.open())
        await asyncio.wait([task], timeout=after_s)
        task.cancel()
        await asyncio.wait([task])
        await store.close()
        await (await opened(tmp_path / "state.db")).close()


@pytest.fixture
def small_disk(tmp_path):
    """Return a directory on a file system of two megabytes."""
    directory = tmp_path / "small"
    directory.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("does not apply: only root can make a small file system")
    command = [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(directory)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("does not apply: file systems cannot be mounted here")
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


async def test_on_a_full_disk_nothing_is_lost_and_it_goes_on_afterwards(small_disk):
    store = await opened(small_disk / "state.db", maintenance=Maintenance(fold_bytes=50_000))
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 1_000_000)
    expected, number = {}, 0
    for _ in range(3):
        refusal = None
        while refusal is None:
            number += 1
            changed = {n % 300: f"{number} {n}" for n in range(number, number + 500)}
            try:
                await commit(store, number, changed=changed, value=number)
                expected |= changed
            except TransientError as error:
                refusal = str(error)
        assert "state.db: it cannot be written or read now" in refusal
        with pytest.raises(TransientError):
            await commit(store, number + 1, value=b"x" * 2_000_000)
        assert await keyed(store) == expected
        assert (await store.load("G")).epoch == number - 1
        await store.close()
        filler.unlink()
        store = await opened(small_disk / "state.db", maintenance=Maintenance(fold_bytes=50_000))
        assert await keyed(store) == expected
        await commit(store, number, changed=changed)
        expected |= changed
        free = shutil.disk_usage(small_disk).free
        filler.write_bytes(b"x" * max(0, free - 300_000))
    await store.close()
