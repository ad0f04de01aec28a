"""Being told by the system that something in a directory has changed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bspump.abc.errors import NotConnectedError
from bspump.abc.extras import require

LONGEST_S = 1.0
_DEBOUNCE_MS = 20


class ChangeWatch:
    """Wakes up when something changes in directories.

    It only wakes: some file systems tell nothing, so look for yourself now and then. A directory
    that does not exist is not watched.

    Args:
        directories: what to watch.
        is_deep: all that is below them too.

    Raises:
        MissingExtraError: the library is not installed.
    """

    def __init__(self, directories: Iterable[Path], *, is_deep: bool) -> None:
        watchfiles = require("watchfiles", extra="watch")
        # A thread of its own: it waits most of the time, and would hold up those that work.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="bspump-watch")
        self._stop = threading.Event()
        self._changes: Any = watchfiles.watch(
            *(directory for directory in directories if directory.is_dir()),
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_DEBOUNCE_MS,
            stop_event=self._stop,
            rust_timeout=round(LONGEST_S * 1000),
            yield_on_timeout=True,
            recursive=is_deep,
            ignore_permission_denied=True,
        )

    async def wait(self) -> None:
        """Return when something has changed since the last call, or after a second.

        Raises:
            NotConnectedError: the system tells nothing any more.
        """
        loop = asyncio.get_running_loop()
        try:
            changes = await loop.run_in_executor(self._executor, next, self._changes, None)
        except OSError as error:
            raise NotConnectedError(f"cannot watch for changes: {error}") from error
        if changes is None:
            raise NotConnectedError("cannot watch for changes any longer")

    def close(self) -> None:
        """Stop watching; whoever waits returns."""
        self._stop.set()
        self._executor.shutdown(wait=False)
