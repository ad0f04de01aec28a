"""Lookups whose content is a file."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from bspump.abc.errors import RejectedError, TransientError
from bspump.clients.lookups import file as file_module
from bspump.lookup import DictionaryLookup
from bspump.testing import cancel_everywhere


def lookup_of(app, path, **options):
    lookup = DictionaryLookup(app, "Users", config={"source_url": str(path)})
    if options:
        lookup.Provider = type(lookup.Provider)(lookup, str(path), config=options)
    return lookup


def age(path, seconds, clock):
    """Make `path` look as if it was written `seconds` before the clock's now."""
    at_ns = int((clock.time() - seconds) * 1e9)
    os.utime(path, ns=(at_ns, at_ns))


@pytest.fixture
def path(tmp_path, clock):
    file = tmp_path / "users.json"
    file.write_text('{"a": 1}')
    age(file, 100, clock)
    return file


@pytest.mark.parametrize("form", ["{}", "file://{}", "file:{}", "file://localhost{}"])
async def test_a_path_and_a_url_mean_the_same_file(app, path, form):
    lookup = lookup_of(app, form.format(path))
    assert await lookup.load() is True
    assert dict(lookup) == {"a": 1}


async def test_a_file_that_has_not_changed_is_not_read_again(app, path, monkeypatch):
    lookup = lookup_of(app, path)
    await lookup.load()
    monkeypatch.setattr(file_module.hashlib, "blake2b", lambda data: pytest.fail("read again"))
    assert await lookup.load() is False


async def test_a_change_is_noticed(app, path, clock):
    lookup = lookup_of(app, path)
    await lookup.load()
    path.write_text('{"b": 2}')
    age(path, 50, clock)
    assert await lookup.load() is True
    assert dict(lookup) == {"b": 2}


async def test_a_change_within_one_tick_of_the_clock_is_noticed(app, path, clock):
    age(path, 1, clock)
    lookup = lookup_of(app, path)
    await lookup.load()
    before = path.stat()
    path.write_text('{"a": 2}')
    age(path, 1, clock)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert await lookup.load() is True
    assert dict(lookup) == {"a": 2}


async def test_a_file_that_was_only_touched_has_not_changed(app, path, clock):
    lookup = lookup_of(app, path)
    await lookup.load()
    age(path, 10, clock)
    assert await lookup.load() is False


async def test_content_that_was_of_no_use_is_tried_again(app, path, clock):
    path.write_text("{")
    age(path, 100, clock)
    lookup = lookup_of(app, path)
    for _ in range(2):
        with pytest.raises(RejectedError):
            await lookup.load()


async def test_a_file_that_is_missing_or_unreadable_says_which(app, tmp_path):
    for path in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(TransientError, match=str(path)):
            await lookup_of(app, path).load()


async def test_a_file_that_goes_away_and_comes_back_is_found_again(app, path, clock):
    lookup = lookup_of(app, path)
    await lookup.load()
    path.unlink()
    with pytest.raises(TransientError):
        await lookup.load()
    assert dict(lookup) == {"a": 1}
    path.write_text('{"a": 3}')
    assert await lookup.load() is True
    assert dict(lookup) == {"a": 3}


async def test_a_file_that_is_too_large_is_refused_and_not_read(app, path):
    lookup = lookup_of(app, path, max_bytes="7")
    with pytest.raises(RejectedError, match="8 bytes"):
        await lookup.load()
    assert dict(lookup) == {}


async def test_a_file_that_grows_beyond_the_limit_while_it_is_read_is_refused(app):
    # Its size is 0 before it is read.
    lookup = lookup_of(app, "/dev/zero", max_bytes="1000")
    with pytest.raises(RejectedError, match="1001 bytes"):
        await lookup.load()


async def test_what_is_saved_is_loaded(app, tmp_path):
    path = tmp_path / "new" / "directory" / "users.json"
    lookup = lookup_of(app, path)
    lookup.set({"a": 1})
    await lookup.Provider.save(lookup.serialize())
    assert path.read_bytes() == b'{"a":1}'
    other = lookup_of(app, path)
    assert await other.load() is True
    assert dict(other) == {"a": 1}


async def test_saving_keeps_the_permissions_and_leaves_nothing_behind(app, path):
    path.chmod(0o640)
    await lookup_of(app, path).Provider.save(b"{}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [file.name for file in path.parent.iterdir()] == ["users.json"]


async def test_a_save_that_fails_leaves_the_file_as_it_was(app, path, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TransientError, match="No space left on device"):
        await lookup_of(app, path).Provider.save(b'{"b": 2}')
    assert path.read_text() == '{"a": 1}'
    assert [file.name for file in path.parent.iterdir()] == ["users.json"]


async def test_a_reader_never_sees_half_of_what_is_saved(app, path):
    lookup = lookup_of(app, path)
    contents = [b'{"a": "' + letter * 200_000 + b'"}' for letter in (b"x", b"y")]
    await lookup.Provider.save(contents[0])
    seen, is_done = set(), threading.Event()

    def read():
        while not is_done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(20):
            await lookup.Provider.save(contents[turn % 2])
    finally:
        is_done.set()
        reader.join()
    assert seen <= set(contents)


async def test_a_cancelled_save_has_written_all_or_nothing(app, path):
    lookup = lookup_of(app, path)

    async def check():
        assert path.read_bytes() in {b'{"a": 1}', b'{"b": 2}'}

    await cancel_everywhere(lambda: lookup.Provider.save(b'{"b": 2}'), check)


async def test_a_load_may_be_cancelled_anywhere(app, path):
    lookup = lookup_of(app, path)

    async def check():
        await lookup.load()
        assert dict(lookup) == {"a": 1}
        lookup.set({})
        lookup.Provider = type(lookup.Provider)(lookup, str(path))

    await cancel_everywhere(lookup.load, check)
