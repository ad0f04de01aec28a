"""A real server for tests: a port and a directory of its own, and faults on demand."""

from __future__ import annotations

import abc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

from . import keeper
from .ports import free_port

HOST = "127.0.0.1"
PROGRAM_PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOG_TAIL_LINES = 40
SLICE_S = 0.2  # of a wait, after which the keeper looks again whether we are there


class ServerError(RuntimeError):
    """A server could not be started, or did not end; the message has the end of its log."""


class Server(abc.ABC):
    """A real server on a free port of 127.0.0.1, with a directory of its own.

    Port and directory stay the same from the first `start` to `close`, whatever happens to the
    processes between. As a context manager it is started on entry and closed on exit. When the
    process that made it ends in any way, `SIGKILL` included, all processes of the server are
    killed and its directory is removed.

    Every method blocks until done; in a coroutine use `await asyncio.to_thread(server.restart)`.

    Args:
        settings: of the server, by the names of its own configuration; they come after ours.
    """

    name: ClassVar[str]
    system_user: ClassVar[str | None] = None
    """Runs as this user when we are root; otherwise always as we do."""

    stop_signal: ClassVar[int] = signal.SIGTERM
    start_within_s: ClassVar[float] = 60.0
    stop_within_s: ClassVar[float] = 30.0

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self.settings = dict(settings or {})
        self.port = free_port()
        self.directory = Path()
        self._keeper: subprocess.Popen[str] | None = None
        self._asking = threading.Lock()
        self._is_paused = False

    @classmethod
    def missing(cls) -> str | None:
        """Say why it cannot be started on this machine and what to do; None: it can."""
        if not sys.platform.startswith("linux"):
            return f"{cls.name} is started on Linux only"
        return cls.lacks()

    @classmethod
    @abc.abstractmethod
    def lacks(cls) -> str | None:
        """Say what it needs that this machine has not, and what to install; None: nothing."""

    def prepare(self) -> None:  # noqa: B027 - some need nothing
        """Make the files that it needs before its first start."""

    @abc.abstractmethod
    def command(self) -> Sequence[str]:
        """Return the command that runs it in the foreground."""

    def environment(self) -> Mapping[str, str]:
        """Return what its environment has besides `PATH`, `HOME` and `LANG`."""
        return {}

    @abc.abstractmethod
    def answers(self, connection: socket.socket) -> bool:
        """Ask by its protocol, over a new connection, whether it is ready for work."""

    @property
    def address(self) -> str:
        """Host and port, with a colon between them."""
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> str:
        """What it has printed since the first start."""
        file = self.directory / "log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether its main process exists, paused or not."""
        return self._keeper is not None and self._ask("poll", 0) is None

    def is_ready(self, within_s: float = 1.0) -> bool:
        """Ask once by its protocol whether it is ready; no answer within that time is a no."""
        try:
            with socket.create_connection((HOST, self.port), within_s) as connection:
                connection.settimeout(within_s)
                return self.answers(connection)
        except OSError:
            return False

    def start(self) -> Self:
        """Start it and return it when it answers; resume it if paused, leave it if it runs.

        After `stop` and `kill` it has the same port and the same data.

        Raises:
            ServerError: it is not installed, or it ended or did not answer in time; the message
                has the end of its log.
        """
        if self.is_running:
            self.resume()
            return self
        if self._keeper is None:
            self._open()
        else:
            self._ask("kill")
        self._begin(self.command())
        self._wait_ready()
        return self

    def stop(self) -> None:
        """End it in the orderly way; its data stay.

        Raises:
            ServerError: it had not ended in time; it is killed then.
        """
        if not self.is_running:
            return
        self.resume()
        self._ask("signal", self.stop_signal)
        if self._code_within(self.stop_within_s) is None:
            self.kill()
            raise self._error(f"did not stop within {self.stop_within_s:g} s and was killed")
        self._ask("kill")  # helpers which outlive the main process

    def kill(self) -> None:
        """Kill all its processes at once, as a crash does; what they wrote to files stays."""
        if self._keeper is not None:
            self._ask("kill")
        self._is_paused = False

    def pause(self) -> None:
        """Stop all its processes where they are: connections stay open, nothing is answered."""
        if self.is_running:
            self._ask("signal_all", signal.SIGSTOP)
            self._is_paused = True

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._is_paused:
            self._ask("signal_all", signal.SIGCONT)
            self._is_paused = False

    def restart(self) -> None:
        """Stop it in the orderly way if it runs, and start it: same port, same data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Kill it and remove its directory; after that it can be started anew, without data."""
        if self._keeper is None:
            return
        held, self._keeper, self._is_paused = self._keeper, None, False
        with suppress(BrokenPipeError), held:
            pass  # closes its input, on which it cleans up, and waits for it
        shutil.rmtree(self.directory, ignore_errors=True)  # the keeper itself was killed

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, command: Sequence[str], within_s: float = 60.0) -> None:
        """Run a command of `prepare` to its end, as the user and in the directory of the server.

        Raises:
            ServerError: it failed or took longer.
        """
        self._begin(command)
        code = self._code_within(within_s)
        if code != 0:
            self._ask("kill")
            what = f"within {within_s:g} s" if code is None else f"and ended with code {code}"
            raise self._error(f"could not be prepared: {Path(command[0]).name} failed {what}")

    def write_file(self, name: str, text: str) -> Path:
        """Write a file into the directory, readable for the user of the server."""
        file = self.directory / name
        file.write_text(text, encoding="utf-8")
        self._give(file)
        return file

    def _open(self) -> None:
        reason = self.missing()
        if reason is not None:
            raise ServerError(reason)
        self.directory = Path(tempfile.mkdtemp(prefix=f"bspump-{self.name.lower()}-"))
        self._give(self.directory)
        self._keeper = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", keeper.__file__, str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal is for the tests alone
        )
        try:
            self.prepare()
        except BaseException:
            self.close()
            raise

    def _user(self) -> str | None:
        return self.system_user if os.geteuid() == 0 else None

    def _give(self, path: Path) -> None:
        if user := self._user():
            shutil.chown(path, user)

    def _begin(self, command: Sequence[str]) -> None:
        basic = {"PATH": PROGRAM_PATHS, "HOME": str(self.directory), "LANG": "C.UTF-8"}
        self._ask("start", list(command), {**basic, **self.environment()}, self._user())

    def _wait_ready(self) -> None:
        deadline_s = time.monotonic() + self.start_within_s
        while not self.is_ready():
            code = self._ask("poll", 0.02)
            if code is not None:
                raise self._error(f"ended with code {code} instead of starting")
            if time.monotonic() > deadline_s:
                self.kill()
                raise self._error(f"did not answer within {self.start_within_s:g} s")

    def _code_within(self, within_s: float) -> int | None:
        deadline_s = time.monotonic() + within_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            code: int | None = self._ask("poll", min(left_s, SLICE_S))
            if code is not None:
                return code
        return None

    def _ask(self, name: str, *arguments: Any) -> Any:
        held = self._keeper
        if held is None or held.stdin is None or held.stdout is None:
            raise ServerError(f"{self.name} is closed; start it first")
        try:
            with self._asking:
                held.stdin.write(json.dumps([name, arguments]) + "\n")
                held.stdin.flush()
                line = held.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ServerError(f"{self.name}: the process that keeps it has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise ServerError(f"{self.name}: {answer['error']}")
        return answer["result"]

    def _error(self, what: str) -> ServerError:
        tail = self.log.splitlines()[-LOG_TAIL_LINES:] or ["(nothing)"]
        return ServerError("\n  ".join([f"{self.name} at {self.address} {what}; its log:", *tail]))


def find_program(name: str, *folders: Path) -> str | None:
    """Return the path of a program, looked for in `folders` and where systems keep programs."""
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", ""), PROGRAM_PATHS])
    return shutil.which(name, path=path)


def not_installed(name: str, package: str) -> str:
    """Return what `lacks` says of a server that a Debian package brings."""
    return f"{name} is not installed (Debian: apt-get install {package})"
