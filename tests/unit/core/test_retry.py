from __future__ import annotations

import bspump
from bspump.abc.options import RetryOptions
from bspump.core.retry import Backoff


def test_who_may_try_once_does_not_try_again():
    assert Backoff(RetryOptions(attempts=1)).next_s() is None


def test_after_a_success_the_waits_begin_anew():
    backoff = Backoff(RetryOptions(attempts=3, first=1.0))
    assert backoff.next_s() <= 1.0
    assert backoff.next_s() > 0.9
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_an_error_may_ask_for_a_longer_wait_but_not_for_a_shorter_one():
    backoff = Backoff(RetryOptions(first=10.0))
    assert backoff.next_s(bspump.TransientError("busy", retry_after_s=60)) == 60
    partial = bspump.PartialWriteError({1: bspump.TransientError("busy", retry_after_s=99)})
    assert backoff.next_s(partial) == 99
    assert backoff.next_s(bspump.TransientError("busy", retry_after_s=0.1)) >= 5
