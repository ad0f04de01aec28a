"""Programs that are killed at random moments, again and again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# At home a few, so that a run of all tests takes minutes.
KILLS = 50 if os.environ.get("CI") == "true" else 6
AT_CHECKPOINTS = KILLS * 3 // 5
"""So many of them when a checkpoint has begun."""

PROGRAM = Path(__file__).parent.parent / "integration" / "kills" / "programs" / "pump.py"


class Killing:
    """Runs `pump.py`, kills it by `SIGKILL`, and starts it again.

    Args:
        source: its kind and options.
        sink: its kind and options.
        directory: gets the checkpoints and what the program writes to stderr.
        seed: of the moments.
        deadly: numbers of events of which it dies by itself.
    """

    def __init__(
        self,
        source: Mapping[str, Any],
        sink: Mapping[str, Any],
        directory: Path,
        *,
        seed: int = 1,
        deadly: Sequence[int] = (),
    ) -> None:
        given = {"source": source, "sink": sink, "var": str(directory / "var"), "deadly": deadly}
        self._command = [sys.executable, str(PROGRAM), json.dumps(given)]
        self._log = directory / "log"
        self._chance = random.Random(seed)
        self.kills = 0

    @contextmanager
    def _running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run it until the block ends; then it is killed, unless it has ended."""
        with (
            self._log.open("ab") as log,
            subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=log) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def run(self, *, least_s: float = 0.0, most_s: float = 0.6, kills: int = KILLS) -> None:
        """Kill it so many times, each time `least_s` to `most_s` seconds after it was ready.

        It is ready when it listens to signals, which is before it looks at its last checkpoint.
        """
        for _ in range(kills):
            with self._running() as process:
                self._await_line(process, b"ready")
                time.sleep(self._chance.uniform(least_s, most_s))
                assert process.poll() is None, self._ended(process)
            self.kills += 1

    def run_to_checkpoints(self, *, most_s: float = 0.01, kills: int = KILLS) -> None:
        """Kill it so many times, each time up to `most_s` seconds after a checkpoint has begun."""
        for _ in range(kills):
            with self._running() as process:
                self._await_line(process, b"ready")
                for _ in range(self._chance.randint(1, 3)):
                    self._await_line(process, b"checkpoint")
                time.sleep(self._chance.uniform(0, most_s))
                assert process.poll() is None, self._ended(process)
            self.kills += 1

    def run_until_it_lives(self, is_done: Callable[[], bool], *, most: int = 20) -> int:
        """Start it again whenever it dies by itself, until all is done; return how often it died.

        Then it is ended as an operator does.
        """
        for deaths in range(most):
            with self._running() as process:
                while process.poll() is None and not is_done():
                    time.sleep(0.02)
                if process.poll() is None:
                    self._end(process)
                    return deaths
                assert process.returncode == -signal.SIGABRT, self._ended(process)
        raise AssertionError(f"it dies for ever:\n{self.tail()}")

    def finish(self, is_done: Callable[[], bool], *, within_s: float = 60.0) -> None:
        """Run it until everything has arrived, then end it as an operator does."""
        with self._running() as process:
            # Before that a signal ends it at once, and not in an orderly way.
            self._await_line(process, b"ready")
            deadline_s = time.monotonic() + within_s
            while not is_done():
                assert process.poll() is None, self._ended(process)
                assert time.monotonic() < deadline_s, f"it is not done:\n{self.tail()}"
                time.sleep(0.05)
            self._end(process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, self._ended(process)

    def _await_line(self, process: subprocess.Popen[bytes], expected: bytes) -> None:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            process.wait()
        assert line == expected + b"\n", self._ended(process)

    def _ended(self, process: subprocess.Popen[bytes]) -> str:
        return f"it ended by itself, exit code {process.returncode}:\n{self.tail()}"

    def tail(self) -> str:
        """Return the end of what it has written."""
        return self._log.read_text(errors="replace")[-4000:]
