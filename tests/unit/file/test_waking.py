"""A watch wakes up when something changes, and only wakes."""

from __future__ import annotations

import asyncio
import sys

import pytest

from bspump.abc.errors import MissingExtraError, NotConnectedError
from bspump.file.waking import LONGEST_S, ChangeWatch


@pytest.fixture
def watch(tmp_path):
    watch = ChangeWatch([tmp_path], is_deep=False)
    yield watch
    watch.close()


async def elapsed_s(work):
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    await work
    return loop.time() - begin_s


async def test_it_returns_when_something_changes(tmp_path, watch):
    waiting = asyncio.create_task(elapsed_s(watch.wait()))
    await asyncio.sleep(0.1)
    (tmp_path / "a").write_text("one")
    assert await waiting < LONGEST_S


async def test_what_changed_between_two_calls_is_not_missed(tmp_path, watch):
    await watch.wait()
    (tmp_path / "a").write_text("one")
    assert await elapsed_s(watch.wait()) < LONGEST_S


async def test_it_returns_when_nothing_changes(watch):
    assert await elapsed_s(watch.wait()) >= LONGEST_S * 0.9


async def test_directories_that_do_not_exist_are_not_watched(tmp_path):
    watch = ChangeWatch([tmp_path / "nowhere"], is_deep=True)
    await watch.wait()
    watch.close()


async def test_after_it_was_closed_nobody_waits(tmp_path, watch):
    waiting = asyncio.create_task(watch.wait())
    await asyncio.sleep(0.1)
    watch.close()
    with pytest.raises(NotConnectedError):
        await waiting


def test_without_the_library_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(MissingExtraError, match=r"bspump\[watch\]"):
        ChangeWatch([tmp_path], is_deep=False)
