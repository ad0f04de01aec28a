"""A program that runs in a process group of its own, so that all of it can be ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import AsyncIterator
from typing import Final

_READ_BYTES: Final = 1 << 16


@contextlib.asynccontextmanager
async def running(command: str, stop_timeout_s: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a shell command; when the block is left, nothing of it runs any more.

    Its standard input is empty, its outputs are pipes. On leaving, all processes of its group
    are asked to end (SIGTERM) and, after `stop_timeout_s` or a second cancel, killed.

    Raises:
        OSError: there is no shell, or no process can be made.
    """
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_shell(
        lambda: SubprocessStreamProtocol(limit=_READ_BYTES, loop=loop),
        command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    process = asyncio.subprocess.Process(transport, protocol, loop)
    try:
        yield process
    finally:
        try:
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(stop_timeout_s):
                    await process.wait()
        finally:
            # Whoever has outlived the shell, or does not listen to SIGTERM.
            _signal(process, signal.SIGKILL)
            try:
                await process.wait()
            finally:
                # Somebody who has left the group may keep the other ends of the pipes.
                transport.close()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def blocks(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield what comes, as it comes, until the stream ends."""
    while data := await stream.read(_READ_BYTES):
        yield data
