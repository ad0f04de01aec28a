"""The process that keeps one server: starts it, ends all of it, cleans up when its owner is gone.

`Server` runs this file as a script of its own, with nothing but the standard library, and speaks
with it by lines of JSON. Processes that a server forks and orphans (Erlang's epmd, the backends of
PostgreSQL, which leave the process group) become children of the keeper, so it finds all of them.
When its standard input ends, because the owner closed it or was killed, it kills what it started
and removes the directory. Linux only.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
IPC_RMID = 0
POLL_S = 0.005


class Keeper:
    """Keep one server, whose files are in `directory`."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._main = 0
        self._code: int | None = 0
        self._started: set[int] = set()

    def start(self, argv: list[str], env: dict[str, str], user: str | None) -> int:
        """Start the main process and return its id; what it prints goes to the file `log`."""
        as_user: dict[str, Any] = {}
        if user is not None:
            as_user = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        with (Path(self._directory) / "log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - a test chose what to start
                argv,
                env=env,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **as_user,
            )
        self._main, self._code = process.pid, None
        self._started.add(process.pid)
        process.returncode = 0  # `_reap` waits for it, not the object
        return process.pid

    def poll(self, within_s: float) -> int | None:
        """Return the exit code of the main process, waiting so long for it; None: it runs."""
        deadline_s = time.monotonic() + within_s
        self._reap()
        while self._code is None and time.monotonic() < deadline_s:
            _wait()
            self._reap()
        return self._code

    def signal(self, number: int) -> None:
        """Send a signal to the main process, unless it has ended."""
        self._reap()
        if self._code is None and self._main:
            os.kill(self._main, number)

    def signal_all(self, number: int) -> None:
        """Send a signal once to every process of the server, also to those it forks meanwhile."""
        reached: set[int] = set()
        while missing := descendants(os.getpid()) - reached:
            for pid in missing:
                _send(pid, number)
            reached |= missing

    def kill(self) -> None:
        """Kill all processes as if at one instant, and return when there are none left."""
        self.signal_all(signal.SIGSTOP)
        while left := descendants(os.getpid()):
            for pid in left:
                _send(pid, signal.SIGKILL)
            _wait()
            self._reap()

    def clean(self) -> None:
        """Kill what runs, then remove its shared memory and the directory."""
        self.kill()
        _remove_shared_memory(self._started)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._main:
                self._code = os.waitstatus_to_exitcode(status)


def descendants(ancestor: int) -> set[int]:
    """Return the ids of all processes below `ancestor`, also of those that nobody waited for yet.

    The main thread of a process may be long dead while others still hold its port and files.
    """
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The name of the program, in brackets, may itself contain brackets and spaces.
        parent = stat.rpartition(")")[2].split()[1]
        children.setdefault(int(parent), []).append(int(entry.name))
    found: set[int] = set()
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait() -> None:
    threading.Event().wait(POLL_S)


def _remove_shared_memory(creators: set[int]) -> None:
    """Remove the System V segments that a killed server has left; no directory holds them."""
    try:
        rows = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
    except FileNotFoundError:
        return
    libc = ctypes.CDLL(None)
    for row in rows:
        _key, shm_id, _mode, _size, creator, _last, attached = map(int, row.split()[:7])
        if creator in creators and attached == 0:
            libc.shmctl(shm_id, IPC_RMID, None)


def main(directory: str) -> None:
    """Answer one request per line of standard input until it ends, then clean up."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    keeper = Keeper(directory)
    try:
        for line in sys.stdin:
            name, arguments = json.loads(line)
            try:
                answer = {"result": getattr(keeper, name)(*arguments)}
            except (OSError, KeyError, subprocess.SubprocessError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    except BrokenPipeError:
        pass  # the owner is gone; the end of its input would have said so next
    finally:
        keeper.clean()


if __name__ == "__main__":
    main(sys.argv[1])
