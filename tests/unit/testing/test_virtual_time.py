from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
import unittest

import pytest

from bspump.testing import StalledError, VirtualClock, VirtualLoop, run_virtual, virtual_time


@virtual_time
async def test_an_hour_takes_no_time():
    started = time.monotonic()
    await asyncio.sleep(3600)
    assert asyncio.get_running_loop().time() == 3600
    assert time.monotonic() - started < 5


@virtual_time
async def test_timers_go_off_in_their_order():
    loop, seen = asyncio.get_running_loop(), []
    for delay in (3, 1, 2, 1):
        loop.call_later(delay, lambda delay=delay: seen.append((delay, loop.time())))
    await asyncio.sleep(5)
    assert seen == [(1, 1), (1, 1), (2, 2), (3, 3)]


@virtual_time
async def test_timeouts_are_of_virtual_time_too():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await asyncio.Event().wait()
    assert asyncio.get_running_loop().time() == 60


@virtual_time(limit_s=2e9)
async def test_time_moves_on_after_a_very_long_time_too():
    loop = asyncio.get_running_loop()
    await asyncio.sleep(1e9)
    for _ in range(10):
        await asyncio.sleep(1e-9)
    assert loop.time() >= 1e9


@virtual_time
async def test_rounding_errors_do_not_add_up():
    for _ in range(3):
        await asyncio.sleep(0.1)
    assert asyncio.get_running_loop().time() == 0.3


@pytest.mark.parametrize("error_s", [1e-16, 1e-12, 1e-9, 1e-7])
@virtual_time
async def test_who_waits_for_the_rest_of_a_time_gets_past_it(error_s):
    loop = asyncio.get_running_loop()
    for number in range(1, 100):
        due_s = loop.time() + number * 0.1 + error_s
        await asyncio.sleep(number * 0.1)
        attempts = 0
        while loop.time() < due_s:
            await asyncio.sleep(due_s - loop.time())
            attempts += 1
        assert attempts <= 2


@virtual_time
async def test_idle_is_when_nothing_can_run_without_time_moving_on():
    loop, seen = asyncio.get_running_loop(), []

    async def worker():
        for _ in range(100):
            await asyncio.sleep(0)
        seen.append("done")
        await asyncio.sleep(1)
        seen.append("later")

    task = asyncio.create_task(worker())
    await loop.idle()
    assert (seen, loop.time()) == (["done"], 0)
    await task
    assert seen == ["done", "later"]


@virtual_time
async def test_time_stands_still_while_a_thread_works():
    loop = asyncio.get_running_loop()
    timer = asyncio.create_task(asyncio.sleep(10))
    assert await asyncio.to_thread(lambda: time.sleep(0.05) or 7) == 7
    assert loop.time() == 0
    assert not timer.done()
    await timer


def test_what_never_comes_is_an_error_that_says_who_waits():
    async def forever():
        await asyncio.Event().wait()

    with pytest.raises(
        StalledError, match=r"(?s)no timer is pending.*locks\.py:\d+ in Event\.wait"
    ):
        run_virtual(forever())


def test_who_waits_for_ever_beside_a_clock_that_ticks_is_named_too():
    async def ticks():
        for _ in itertools.count():
            await asyncio.sleep(60)

    async def forever():
        async with asyncio.TaskGroup() as group:
            group.create_task(ticks(), name="clock")
            await asyncio.Event().wait()

    with pytest.raises(StalledError, match=r"(?s)2\.0 days have passed.*locks\.py:\d+"):
        run_virtual(forever(), limit_s=2 * 86400)


def test_a_loop_that_stalled_closes_its_tasks():
    ended = []

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(StalledError):
        run_virtual(forever())
    assert ended == [True]


def test_threads_are_waited_for_at_the_end():
    async def main():
        return await asyncio.to_thread(threading.get_ident)

    assert run_virtual(main()) != threading.get_ident()


@virtual_time(io_patience_s=5.0)
async def test_sockets_get_real_time_on_request():
    async def answer(reader, writer):
        data = await reader.readline()
        writer.write(data.upper())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, asyncio.timeout(1):
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        assert await reader.read() == b"HELLO\n"
        writer.close()
        await writer.wait_closed()


@virtual_time
async def test_what_is_readable_at_once_needs_no_patience():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.send(b"x")
        assert await asyncio.get_running_loop().sock_recv(ours, 1) == b"x"


async def _clock_after_a_minute():
    loop = asyncio.get_running_loop()
    clock = VirtualClock(loop, 1000.0)
    await clock.sleep(60)
    return clock.time(), clock.monotonic()


def test_the_clock_shows_the_time_of_the_loop():
    assert run_virtual(_clock_after_a_minute()) == (1060.0, 60.0)


@pytest.mark.parametrize("number", [1, 2])
@virtual_time
async def test_a_decorated_test_has_its_arguments(number, tmp_path):
    assert isinstance(asyncio.get_running_loop(), VirtualLoop)
    assert number in (1, 2)
    assert tmp_path.is_dir()


def test_a_decorated_method_runs_in_unittest():
    class Case(unittest.TestCase):
        @virtual_time
        async def test_it(self):
            await asyncio.sleep(100)
            self.assertEqual(asyncio.get_running_loop().time(), 100)  # noqa: PT009

    result = unittest.TestResult()
    Case("test_it").run(result)
    assert result.wasSuccessful()
    assert result.testsRun == 1
