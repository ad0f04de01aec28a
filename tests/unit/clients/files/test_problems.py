"""What the operating system says about files becomes an instruction."""

from __future__ import annotations

import errno
import os

import pytest

from bspump.abc.errors import ConfigError, TransientError
from bspump.clients.files.problems import sort_problem, transient_problem


def problem(number):
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE])
def test_what_may_pass_is_to_be_repeated(number):
    assert isinstance(sort_problem(problem(number), "write `a`"), TransientError)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EISDIR, errno.ENOTDIR])
def test_what_waiting_does_not_cure_is_for_the_operator(number):
    assert isinstance(sort_problem(problem(number), "write `a`"), ConfigError)


def test_the_message_says_what_failed_why_and_what_to_do():
    found = str(sort_problem(problem(errno.ENOSPC), "write 'a'"))
    assert found.startswith("cannot write 'a': No space left on device")
    assert "what to do: free space" in found


def test_everything_can_be_said_to_be_transient():
    assert isinstance(transient_problem(problem(errno.EACCES), "write 'a'"), TransientError)
