"""A file is read by one reader, and taken up again when that one is dead."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bspump.abc.errors import ConfigError
from bspump.clients.files import claims
from bspump.clients.files.claims import claim, hold, reclaim, split_mark

CLAIM_AND_WAIT = """
import sys, time
from bspump.clients.files.claims import claim
taken = claim(sys.argv[1])
print(taken is not None, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1\n")
    return path


def listed(path):
    return sorted(each.name for each in path.parent.iterdir())


def test_a_claimed_file_is_marked_and_nobody_elses(path):
    with claim(str(path)) as taken:
        assert listed(path) == ["a.csv-locked"]
        assert (taken.filename, taken.path) == (str(path), f"{path}-locked")
        assert claim(str(path)) is None
        assert reclaim(str(path)) is None


def test_what_is_gone_cannot_be_claimed(path):
    path.unlink()
    assert claim(str(path)) is None
    assert reclaim(str(path)) is None
    assert hold(str(path)) is None


@pytest.mark.parametrize(
    ("conclude", "names"),
    [
        (lambda taken: taken.release(), ["a.csv"]),
        (lambda taken: taken.fail(), ["a.csv-failed"]),
        (lambda taken: taken.delete(), []),
        (lambda taken: taken.move(), ["a.csv-processed"]),
        (lambda taken: taken.close(), ["a.csv-locked"]),
    ],
)
def test_a_claim_ends_with_what_became_of_the_file(path, conclude, names):
    taken = claim(str(path))
    conclude(taken)
    taken.close()
    assert listed(path) == names


def test_a_file_is_moved_into_a_directory_that_is_made_for_it(path):
    claim(str(path)).move(str(path.parent / "done/today"))
    assert (path.parent / "done/today/a.csv-processed").read_text() == "1\n"
    assert listed(path) == ["done"]


def test_a_file_that_was_processed_before_is_never_overwritten(path):
    for content in ("1", "2", "3"):
        path.write_text(content)
        claim(str(path)).move()
    assert {name: (path.parent / name).read_text() for name in listed(path)} == {
        "a.csv-processed": "1",
        "a.csv.1-processed": "2",
        "a.csv.2-processed": "3",
    }


def test_a_file_left_behind_can_be_claimed_again(path):
    claim(str(path)).close()
    assert claim(str(path)) is None
    with reclaim(str(path)) as taken:
        assert taken.filename == str(path)
        taken.move()
    assert listed(path) == ["a.csv-processed"]


def test_a_new_file_waits_until_the_one_of_its_name_is_done(path):
    with claim(str(path)) as first:
        path.write_text("2\n")
        assert claim(str(path)) is None
        first.release()
    assert listed(path) == ["a.csv", "a.csv-locked"]
    assert reclaim(str(path)).stat.st_ino == first.stat.st_ino


def test_a_held_file_keeps_its_name(path):
    with hold(str(path)) as taken:
        assert listed(path) == ["a.csv"]
        assert claim(str(path)) is None
        taken.release()
    assert listed(path) == ["a.csv"]


def test_a_file_replaced_while_it_is_claimed_is_the_one_that_is_read(path, monkeypatch):
    rename = os.rename
    replaced = []

    def replace_first(self, target):
        if not replaced:
            replaced.append(True)
            new = path.with_name("new")
            new.write_text("2\n")
            new.replace(path)
        rename(self, target)

    monkeypatch.setattr("pathlib.Path.rename", replace_first)
    with claim(str(path)) as taken:
        assert Path(taken.path).read_text() == "2\n"
        assert reclaim(str(path)) is None


def test_a_file_of_a_killed_process_is_taken_up_and_one_of_a_living_is_not(path):
    with subprocess.Popen(
        [sys.executable, "-c", CLAIM_AND_WAIT, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"True\n"
        assert reclaim(str(path)) is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    with reclaim(str(path)) as taken:
        assert taken is not None


def test_a_file_that_may_only_be_read_can_be_claimed(path, monkeypatch):
    path.chmod(0o444)
    opened = os.open

    def refuse_writing(name, flags, *args, **kwargs):
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(name, flags, *args, **kwargs)

    monkeypatch.setattr(claims.os, "open", refuse_writing)
    with claim(str(path)) as taken:
        assert taken is not None


def test_a_file_system_without_locks_is_an_error_with_a_way_out(path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ConfigError, match="has no locks"):
        claim(str(path))
    assert listed(path) == ["a.csv"]


def test_marks_are_split_from_names():
    assert split_mark("in/a-failed") == ("in/a", "-failed")
    assert split_mark("in/a-failed.csv") == ("in/a-failed.csv", "")
