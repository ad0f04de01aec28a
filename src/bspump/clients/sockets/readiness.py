"""Waiting until the kernel says that a socket can be read or written."""

from __future__ import annotations

import asyncio
import socket

Waiter = asyncio.Future[None]


async def wait_readable(sock: socket.socket, waiter: Waiter | None = None) -> None:
    """Wait until reading from `sock` would not block, or until `waiter` is woken.

    There may be one such wait for a socket. Cancelling it is fine. Whoever closes the socket
    meanwhile takes it from the loop first and wakes the waiter.
    """
    loop = asyncio.get_running_loop()
    waiter = loop.create_future() if waiter is None else waiter
    # By its number: the loop would make a text of the socket each time.
    number = sock.fileno()
    loop.add_reader(number, wake, waiter)
    try:
        await waiter
    finally:
        # The number of a closed socket may belong to another one by now.
        if sock.fileno() == number:
            loop.remove_reader(number)


async def wait_writable(sock: socket.socket) -> None:
    """Wait until writing to `sock` would not block; the same rules as for `wait_readable`."""
    loop = asyncio.get_running_loop()
    waiter: Waiter = loop.create_future()
    number = sock.fileno()
    loop.add_writer(number, wake, waiter)
    try:
        await waiter
    finally:
        if sock.fileno() == number:
            loop.remove_writer(number)


def wake(waiter: Waiter | None) -> None:
    """Let whoever awaits `waiter` go on."""
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
