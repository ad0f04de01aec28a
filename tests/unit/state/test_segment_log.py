"""The log behind a disk buffer."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat

import pytest

from bspump.abc.disk_buffer import DiskBufferOptions
from bspump.abc.errors import ConfigError, RejectedError, TransientError
from bspump.state import SegmentLog
from bspump.state.segments import HEAD_BYTES


async def opened(directory, position=0, **options):
    log = SegmentLog(directory, DiskBufferOptions(**options))
    await log.open(position)
    return log


async def read_all(log, position=None, **limits):
    """Return all records from a position on, and what was lost on the way."""
    records, lost = [], 0
    while True:
        block = await log.read(position, **limits)
        records += block.records
        lost += block.dropped + sum(damage.lost for damage in block.damages)
        if block.position == position:
            return records, lost
        position = block.position


def numbered(start, end):
    return [b"record %d" % n for n in range(start, end)]


def files(directory):
    return sorted(directory.glob("*.segment"))


@pytest.mark.parametrize("fsync", ["always", "interval", "never"])
async def test_what_was_appended_is_read_in_its_order_also_after_a_restart(tmp_path, fsync):
    log = await opened(tmp_path, fsync=fsync)
    assert await log.append(numbered(0, 10)) == 10
    assert await log.append([]) == 10
    assert await log.append([b"", b"x" * 100_000]) == 12
    expected = [*numbered(0, 10), b"", b"x" * 100_000]
    assert await read_all(log) == (expected, 0)
    await log.close()
    await log.close()
    log = await opened(tmp_path, fsync=fsync)
    assert await log.append([b"more"]) == 13
    assert await read_all(log) == ([*expected, b"more"], 0)
    await log.close()


async def test_reading_goes_on_from_any_position_with_any_limit(tmp_path):
    log = await opened(tmp_path, segment_bytes=200)
    records = numbered(0, 50)
    for record in records:
        await log.append([record])
    assert len(files(tmp_path)) > 5
    for position in (0, 1, 7, 8, 31, 49, 50):
        for limits in ({"max_records": 1}, {"max_records": 3}, {"max_bytes": 1}, {}):
            assert await read_all(log, position, **limits) == (records[position:], 0)
    block = await log.read(0, max_records=3)
    assert (block.records, block.position) == (records[:3], 3)
    with pytest.raises(ValueError, match="51 is not within 0 to 50"):
        await log.read(51)
    await log.close()


async def test_files_are_removed_when_all_of_them_is_acknowledged(tmp_path):
    log = await opened(tmp_path, segment_bytes=200)
    for record in numbered(0, 50):
        await log.append([record])
    before = files(tmp_path)
    await log.acknowledge(20)
    assert files(tmp_path) == before[len(before) - len(files(tmp_path)) :]
    assert log.stats().begin <= 20
    assert (await read_all(log, 20))[0] == numbered(20, 50)
    await log.acknowledge(50)
    assert len(files(tmp_path)) == 1
    assert log.stats().size_bytes == files(tmp_path)[0].stat().st_size
    await log.close()
    log = await opened(tmp_path)
    assert log.stats().end == 50
    await log.close()


async def test_appends_that_come_together_wait_for_the_disk_together(tmp_path, monkeypatch):
    log = await opened(tmp_path)
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(fd), fsync(fd)))
    ends = await asyncio.gather(*[log.append([b"%d" % n]) for n in range(100)])
    assert ends == list(range(1, 101))
    assert 1 <= len(synced) <= 50
    assert (await read_all(log))[0] == [b"%d" % n for n in range(100)]
    await log.close()


async def test_a_full_log_holds_back_until_something_is_acknowledged(tmp_path):
    record = b"x" * (1000 - HEAD_BYTES)
    log = await opened(tmp_path, max_bytes=4096)
    for _ in range(4):
        await log.append([record])
    waiting = [asyncio.create_task(log.append([b"%d" % n * (1000 - HEAD_BYTES)])) for n in range(3)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    # One of those who wait gives up; the others are not affected.
    waiting[1].cancel()
    await log.acknowledge(2)
    assert await asyncio.wait_for(waiting[0], 5) == 5
    assert await asyncio.wait_for(waiting[2], 5) == 6
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 4096
    records, lost = await read_all(log, 2)
    assert [r[:1] for r in records] == [b"x", b"x", b"0", b"2"]
    assert lost == 0
    await log.close()


async def test_a_full_log_of_a_single_file_goes_on_when_all_is_acknowledged(tmp_path):
    log = await opened(tmp_path, max_bytes=4096, segment_bytes=1024)
    for n in range(20):
        await asyncio.wait_for(log.append([b"x" * 3000]), 5)
        await log.acknowledge(n + 1)
    await log.close()


async def test_closing_tells_those_who_wait(tmp_path):
    log = await opened(tmp_path, max_bytes=4096)
    await log.append([b"x" * 4000])
    tasks = [asyncio.create_task(log.append([b"y" * 400])) for _ in range(2)]
    tasks.append(asyncio.create_task(log.wait(1)))
    await asyncio.sleep(0.02)
    await log.close()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in outcomes] == [RuntimeError] * 3


async def test_a_full_log_may_drop_the_oldest_and_counts_them(tmp_path):
    options = {"max_bytes": 4096, "segment_bytes": 500, "when_full": "drop_oldest"}
    log = await opened(tmp_path, **options)
    await log.append(numbered(0, 10))
    assert (await read_all(log, 0))[0] == numbered(0, 10)
    await log.acknowledge(5)
    for n in range(10, 1000):
        await log.append([b"record %d" % n])
        assert log.stats().size_bytes <= 4096
    stats = log.stats()
    assert stats.size_bytes == sum(path.stat().st_size for path in files(tmp_path))
    records, lost = await read_all(log, 5)
    assert records == numbered(stats.begin, 1000)
    assert lost == stats.dropped == stats.begin - 5
    assert len(records) > 50
    # A batch that takes all the room.
    await log.append([b"x" * 4000])
    assert (await read_all(log))[0] == [b"x" * 4000]
    await log.close()


async def test_what_can_never_fit_is_rejected(tmp_path):
    log = await opened(tmp_path, max_bytes=4096)
    with pytest.raises(RejectedError, match="can never fit"):
        await log.append([b"x" * 5000])
    assert await log.append([b"fits"]) == 1
    await log.close()


async def test_waiting_ends_when_there_is_something_to_read(tmp_path):
    log = await opened(tmp_path)
    waiting = asyncio.create_task(log.wait(0))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await log.append([b"x"])
    await asyncio.wait_for(waiting, 5)
    await log.wait(0)
    await log.close()


async def test_a_torn_record_is_cut_off_wherever_it_was_torn(tmp_path):
    log = await opened(tmp_path / "whole")
    await log.append(numbered(0, 5))
    size = files(tmp_path / "whole")[0].stat().st_size
    await log.append([b"the last record"])
    await log.close()
    content = files(tmp_path / "whole")[0].read_bytes()
    for cut in range(size, len(content)):
        for tail in (b"", b"\0" * 7):
            torn = tmp_path / f"torn-{cut}-{len(tail)}"
            shutil.copytree(tmp_path / "whole", torn)
            files(torn)[0].write_bytes(content[:cut] + tail)
            log = SegmentLog(torn, DiskBufferOptions())
            assert await log.open() == cut - size + len(tail)
            assert await log.append([b"next"]) == 6
            assert await read_all(log) == ([*numbered(0, 5), b"next"], 0)
            await log.close()
            shutil.rmtree(torn)


@pytest.mark.parametrize("is_last_file", [True, False])
async def test_a_damaged_record_is_passed_over_and_reported(tmp_path, is_last_file):
    log = await opened(tmp_path / "whole")
    await log.append(numbered(0, 9))
    await log.close()
    if not is_last_file:
        log = await opened(tmp_path / "whole", segment_bytes=1)
        await log.append(numbered(9, 12))
        await log.close()
    end = 9 if is_last_file else 12
    content = files(tmp_path / "whole")[0].read_bytes()
    each = len(content) // 9
    for offset in range(4 * each, 5 * each):
        directory = tmp_path / f"damaged-{offset}"
        shutil.copytree(tmp_path / "whole", directory)
        damaged = bytearray(content)
        damaged[offset] ^= 0xFF
        files(directory)[0].write_bytes(damaged)
        log = await opened(directory)
        block = await log.read(0)
        assert block.records[:8] == [*numbered(0, 4), *numbered(5, 9)]
        (damage,) = block.damages
        assert damage == (str(files(directory)[0]), 4 * each, each, 1)
        assert await read_all(log, 5) == (numbered(5, end), 0)
        assert await log.append([b"next"]) == end + 1
        await log.close()
        shutil.rmtree(directory)


async def test_a_file_that_is_damaged_to_its_end_or_gone_costs_only_its_records(tmp_path):
    log = await opened(tmp_path, segment_bytes=100)
    for record in numbered(0, 40):
        await log.append([record])
    await log.close()
    first, second, third = files(tmp_path)[:3]
    starts = [int(path.stem) for path in files(tmp_path)]
    first.write_bytes(first.read_bytes()[:-20])
    second.unlink()
    third.write_bytes(b"")
    log = await opened(tmp_path)
    records, lost = await read_all(log, 0)
    assert records == [*numbered(0, starts[1] - 1), *numbered(starts[3], 40)]
    assert lost == starts[3] - starts[1] + 1
    await log.close()


async def test_positions_that_were_handed_out_are_not_used_again(tmp_path):
    log = await opened(tmp_path)
    await log.append(numbered(0, 10))
    await log.close()
    # The last records were lost in a failure of power; a checkpoint knows that they were there.
    content = files(tmp_path)[0].read_bytes()
    files(tmp_path)[0].write_bytes(content[: len(content) // 2])
    log = await opened(tmp_path, position=10)
    assert (await log.read(10)).position == 10
    assert await log.append([b"new"]) == 11
    assert await read_all(log, 10) == ([b"new"], 0)
    await log.close()
    shutil.rmtree(tmp_path)
    log = await opened(tmp_path, position=11)
    assert await log.append([b"newer"]) == 12
    assert await read_all(log, 11) == ([b"newer"], 0)
    await log.close()


async def test_a_second_user_is_refused_and_files_are_private(tmp_path):
    directory = tmp_path / "new" / "log"
    log = await opened(directory)
    await log.append([b"secret"])
    with pytest.raises(ConfigError, match=rf"used by: process {os.getpid()} "):
        await opened(directory)
    for path in directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await log.close()
    await (await opened(directory)).close()


async def test_a_directory_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="file/log: the log cannot be used"):
        await opened(tmp_path / "file" / "log")


@pytest.mark.parametrize("call", ["write", "fsync"])
async def test_a_failed_write_has_written_nothing_and_can_be_repeated(tmp_path, monkeypatch, call):
    log = await opened(tmp_path)
    await log.append(numbered(0, 3))

    real = getattr(os, call)

    def fail(fd, *data):
        if data:
            real(fd, data[0][:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(TransientError, match="No space left on device"):
        await log.append([b"lost", b"as well"])
    monkeypatch.undo()
    assert (await read_all(log))[0] == numbered(0, 3)
    assert await log.append([b"again"]) == 4
    await log.append([b"and again"])
    expected = [*numbered(0, 3), b"again", b"and again"]
    assert await read_all(log) == (expected, 0)
    await log.close()
    log = await opened(tmp_path)
    assert await read_all(log) == (expected, 0)
    await log.close()


async def test_with_interval_the_disk_is_waited_for_a_while_later(tmp_path, monkeypatch):
    log = await opened(tmp_path, fsync="interval", fsync_interval=0.02)
    synced = asyncio.Event()
    loop = asyncio.get_running_loop()
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (fsync(fd), loop.call_soon_threadsafe(synced.set)))
    await log.append([b"x"])
    assert not synced.is_set()
    await asyncio.wait_for(synced.wait(), 5)
    await log.close()


async def test_that_what_was_taken_may_be_lost_is_said(tmp_path, monkeypatch):
    log = await opened(tmp_path, fsync="interval", fsync_interval=0)
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail(fd):
        loop.call_soon_threadsafe(tried.set)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    await log.append([b"x"])
    await asyncio.wait_for(tried.wait(), 5)
    monkeypatch.undo()
    await log.read()
    with pytest.raises(TransientError, match="Input/output error"):
        await log.append([b"y"])
    assert await log.append([b"y"]) == 2
    assert len(files(tmp_path)) == 2
    assert await read_all(log) == ([b"x", b"y"], 0)
    await log.close()


async def test_a_cancelled_append_is_whole_or_has_not_happened(tmp_path):
    log = await opened(tmp_path)
    for n in range(30):
        task = asyncio.create_task(log.append([b"%d" % n, b"%d" % n]))
        await asyncio.wait([task], timeout=n % 4 * 0.0005)
        task.cancel()
        await asyncio.wait([task])
        await log.append([b"after"])
    records, lost = await read_all(log)
    assert lost == 0
    text = b" ".join(records).split(b"after")
    for n, between in enumerate(text[:-1]):
        assert between.split() in ([], [b"%d" % n] * 2)
    await log.close()
