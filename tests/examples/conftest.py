"""Starting examples as a user does: a process of its own, in a directory of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bspump.testing import eventually

ROOT = Path(__file__).parents[2]
DEADLINE_S = 50.0


class Program:
    """An example that runs, or has run, in `directory`."""

    def __init__(self, directory: Path, process: asyncio.subprocess.Process) -> None:
        self.directory = directory
        self.process = process

    @property
    def output(self) -> str:
        """What it has printed until now."""
        return (self.directory / "stdout").read_text(encoding="utf-8")

    @property
    def log(self) -> str:
        """What it has written to standard error until now."""
        return (self.directory / "stderr").read_text(encoding="utf-8")

    async def says(self, text: str) -> None:
        """Wait until it has printed `text`."""
        await eventually(lambda: text in self.output or self.failed(), within_s=DEADLINE_S)
        assert text in self.output, self.log

    def failed(self) -> bool:
        """Tell whether it has ended with another code than 0."""
        return bool(self.process.returncode)

    async def end(self, within_s: float = DEADLINE_S) -> int:
        """Wait until it ends by itself; return the exit code."""
        return await asyncio.wait_for(self.process.wait(), within_s)

    async def interrupt(self) -> int:
        """Do what Ctrl-C does, and wait for the end."""
        self.process.send_signal(signal.SIGINT)
        return await self.end()


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Return a function that starts an example, by its path in the project and its arguments."""
    started: list[asyncio.subprocess.Process] = []

    async def start(path: str, *args: str) -> Program:
        with (tmp_path / "stdout").open("wb") as out, (tmp_path / "stderr").open("wb") as err:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-W", "error"),
                str(ROOT / path),
                *args,
                cwd=tmp_path,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdout=out,
                stderr=err,
            )
        started.append(process)
        return Program(tmp_path, process)

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def free_port() -> int:
    """Return a port at which nobody listens, neither by TCP nor by UDP."""
    for _ in range(100):
        with contextlib.ExitStack() as stack:
            tcp = stack.enter_context(socket.socket())
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port
    raise RuntimeError("there is no free port")


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[int], Any]]:
    """Return a function that connects to a port as soon as somebody listens there."""
    writers: list[asyncio.StreamWriter] = []

    async def connect(port: int) -> asyncio.StreamWriter:
        async with asyncio.timeout(DEADLINE_S):
            while not writers:
                try:
                    writers.append((await asyncio.open_connection("127.0.0.1", port))[1])
                except ConnectionError:
                    await asyncio.sleep(0.02)
        return writers[0]

    yield connect
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
