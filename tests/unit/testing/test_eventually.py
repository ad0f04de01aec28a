from __future__ import annotations

import asyncio

import pytest

from bspump.testing import eventually, virtual_time


@virtual_time
async def test_the_first_true_answer_is_returned():
    answers = iter([None, 0, [], "yes"])
    assert await eventually(lambda: next(answers)) == "yes"


@virtual_time
async def test_a_coroutine_function_may_be_asked():
    loop = asyncio.get_running_loop()

    async def late():
        return loop.time() >= 3

    assert await eventually(late, within_s=5)
    assert 3 <= loop.time() < 3.1


@virtual_time
async def test_an_answer_that_never_comes_is_named():
    with pytest.raises(TimeoutError, match=r"within 2 s; its answer: \[\]"):
        await eventually(list, within_s=2)
    assert 2 <= asyncio.get_running_loop().time() < 2.1


@virtual_time
async def test_an_assertion_that_fails_is_not_yet():
    loop = asyncio.get_running_loop()

    def late():
        assert loop.time() >= 1, "too early"
        return True

    assert await eventually(late)


@virtual_time
async def test_the_last_assertion_that_failed_is_raised():
    def never():
        raise AssertionError("for ever")

    with pytest.raises(AssertionError, match="for ever"):
        await eventually(never, within_s=1)


@virtual_time
async def test_another_error_is_raised_at_once():
    with pytest.raises(ZeroDivisionError):
        await eventually(lambda: 1 / 0)
    assert asyncio.get_running_loop().time() == 0
