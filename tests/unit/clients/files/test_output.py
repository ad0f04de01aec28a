"""Output is complete or not there, and counts when it is confirmed."""

from __future__ import annotations

import errno
import os

import pytest

from bspump.clients.files import output
from bspump.clients.files.durable import free_path, move_durably
from bspump.clients.files.output import (
    OutputFile,
    abort,
    commit,
    cut_torn_line,
    take_over,
    temporary_path,
    write_whole,
)


@pytest.fixture
def final(tmp_path):
    return tmp_path / "out.json"


@pytest.fixture
def file(final):
    file = OutputFile.create(final)
    yield file
    file.prepare()


def listed(final):
    return sorted(path.name for path in final.parent.iterdir())


def put(file, data):
    file.append(data)
    file.confirm()


def test_a_file_appears_under_its_name_when_it_is_complete(final, file):
    put(file, b"one\n")
    assert not final.exists()
    commit(file.prepare())
    assert final.read_bytes() == b"one\n"
    assert listed(final) == ["out.json"]


def test_committing_and_aborting_twice_is_fine(final, file):
    put(file, b"one\n")
    prepared = file.prepare()
    commit(prepared)
    commit(prepared)
    abort(prepared)
    assert final.read_bytes() == b"one\n"


def test_an_aborted_file_is_gone(final, file):
    put(file, b"one\n")
    abort(file.prepare())
    assert listed(final) == []


def test_what_was_not_confirmed_is_replaced_by_what_comes_next(file):
    put(file, b"one\n")
    file.append(b"lost lost lost\n")
    put(file, b"two\n")
    assert file.path.read_bytes() == b"one\ntwo\n"


def test_what_was_not_confirmed_is_not_in_the_complete_file(final, file):
    put(file, b"one\n")
    file.append(b"lost\n")
    commit(file.prepare())
    assert final.read_bytes() == b"one\n"


def test_a_full_disk_leaves_nothing_of_the_block(final, file, monkeypatch):
    put(file, b"one\n")
    written = []

    def fill(fd, data, offset, flags):
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(True)
        return real(fd, [data[0][:2]], offset, flags)

    real = os.pwritev
    monkeypatch.setattr(output.os, "pwritev", fill)
    with pytest.raises(OSError, match="No space"):
        file.append(b"two\n")
    assert file.path.read_bytes() == b"one\ntw"
    monkeypatch.undo()
    put(file, b"two\n")
    assert file.path.read_bytes() == b"one\ntwo\n"


def test_short_writes_are_continued(file, monkeypatch):
    real = os.pwritev
    monkeypatch.setattr(
        output.os, "pwritev", lambda fd, data, at, flags: real(fd, [data[0][:1]], at, flags)
    )
    put(file, b"one\n")
    assert file.path.read_bytes() == b"one\n"


def test_a_name_that_is_taken_is_taken(final, file):
    assert OutputFile.create(final) is None
    other = final.with_name("other.json")
    other.touch()
    assert OutputFile.create(other) is None
    assert listed(final) == [".out.json.part", "other.json"]


def test_a_living_writer_is_not_taken_over(file):
    assert take_over(file.path) is None


def test_a_file_left_behind_is_taken_over_and_its_torn_line_is_cut(final):
    temporary_path(final).write_bytes(b"one\ntwo\nthr")
    file = take_over(temporary_path(final))
    cut_torn_line(file)
    commit(file.prepare())
    assert final.read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("content", [b"", b"thr", b"x" * 200_000])
def test_without_a_whole_line_nothing_is_left_of_it(final, content):
    temporary_path(final).write_bytes(content)
    file = take_over(temporary_path(final))
    cut_torn_line(file)
    assert file.size_bytes == 0
    abort(file.prepare())


def test_a_torn_line_may_be_long(final):
    temporary_path(final).write_bytes(b"one\n" + b"x" * 200_000)
    file = take_over(temporary_path(final))
    cut_torn_line(file)
    assert file.size_bytes == 4
    file.prepare()


def test_a_file_left_behind_overwrites_no_other(final):
    final.write_text("old")
    temporary_path(final).write_text("new\n")
    commit(take_over(temporary_path(final)).prepare())
    assert final.read_text() == "old"
    assert final.with_name("out.json.1").read_text() == "new\n"


def test_a_file_is_extended_by_one_writer_only(final):
    final.write_text("one\n")
    file = OutputFile.extend(final)
    assert OutputFile.extend(final) is None
    put(file, b"two\n")
    file.append(b"lost\n")
    commit(file.prepare())
    assert final.read_text() == "one\ntwo\n"


def test_a_whole_file_replaces_another(final):
    final.write_text("longer than the new one")
    assert write_whole(final, b"new")
    assert final.read_bytes() == b"new"
    assert listed(final) == ["out.json"]


def test_a_whole_file_may_be_told_to_replace_none(final):
    assert write_whole(final, b"one", replaces=False)
    assert write_whole(final, b"one", replaces=False), "the same once more"
    assert not write_whole(final, b"two", replaces=False)
    assert final.read_bytes() == b"one"
    assert listed(final) == ["out.json"]


def test_what_a_crash_left_is_used_again(final):
    temporary_path(final).write_text("a longer text that was left behind")
    assert write_whole(final, b"new")
    assert final.read_bytes() == b"new"
    assert listed(final) == ["out.json"]


def test_a_whole_file_that_cannot_be_written_leaves_the_old_one(final, monkeypatch):
    final.write_text("old")

    def fill(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(output.os, "pwrite", fill)
    with pytest.raises(OSError, match="No space"):
        write_whole(final, b"new")
    assert final.read_text() == "old"
    assert listed(final) == ["out.json"]


def test_a_move_to_another_file_system_leaves_one_whole_file(final, monkeypatch):
    target = final.with_name("moved")
    final.write_text("content")
    real = os.replace

    def refuse_once(self, to):
        if str(self) == str(final):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        real(self, to)

    monkeypatch.setattr("pathlib.Path.replace", refuse_once)
    move_durably(final, target)
    assert target.read_text() == "content"
    assert listed(final) == ["moved"]


def test_a_free_path_has_a_number_if_it_must(final):
    assert free_path(final, "-failed").name == "out.json-failed"
    final.with_name("out.json-failed").touch()
    assert free_path(final, "-failed").name == "out.json.1-failed"
