"""What comes out at the other end of programs that are killed."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any


class Files:
    """Events as lines of JSON in the files of a directory, whose order is that of their names."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _contents(self) -> list[bytes]:
        contents: list[bytes] = []
        if not self._directory.exists():
            return contents
        for path in self._directory.iterdir():
            with suppress(FileNotFoundError):  # It has just got its name.
                contents.append(path.read_bytes())
        return contents

    def count(self) -> int:
        """Return how many events have come, even if some are not visible yet."""
        return sum(content.count(b"\n") for content in self._contents())

    def has(self, number: int) -> bool:
        """Tell whether the event of a number has come, even if it is not visible yet."""
        text = b'"number":%d,' % number
        return any(text in content for content in self._contents())

    def events(self) -> list[dict[str, Any]]:
        """Return all events, after an orderly end: nothing may be left half-way."""
        paths = sorted(self._directory.iterdir())
        assert not [path for path in paths if path.name.startswith(".")]
        return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
