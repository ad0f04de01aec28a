from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.options import RetryOptions
from bspump.core.retry import Backoff

options = st.builds(
    RetryOptions,
    attempts=st.integers(0, 50),
    first=st.floats(0.001, 100),
    longest=st.floats(0.001, 1000),
    factor=st.floats(1, 10),
)


@given(options, st.integers(0, 2**32), st.integers(1, 2000))
def test_waits_grow_up_to_the_longest_and_end_with_the_last_attempt(options, seed, failures):
    backoff = Backoff(options, seed=seed)
    waits = [backoff.next_s() for _ in range(failures)]
    for number, wait_s in enumerate(waits, start=1):
        assert (wait_s is None) == (0 < options.attempts <= number)
        if wait_s is not None:
            widest = min(options.longest, options.first * options.factor ** min(number - 1, 64))
            assert widest / 2 <= wait_s <= widest
