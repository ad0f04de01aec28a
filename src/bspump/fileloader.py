"""Files of JSON, compressed or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .abc.errors import ConfigError, RejectedError
from .formats.compression import by_extension, decompressor

_BLOCK_BYTES = 1 << 20


def load_json_file(fname: str | Path) -> Any:
    """Return what a JSON file holds; `.gz`, `.bz2`, `.xz`, `.lzma` and `.zst` are decompressed.

    It reads the whole file and blocks meanwhile: meant for start-up, not for a running pipeline.

    Raises:
        OSError: the file cannot be read.
        ConfigError: it is damaged, or is no JSON; the message names the file.
    """
    path = Path(fname)
    expand = decompressor(by_extension(path))
    pieces: list[bytes] = []
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                pieces += expand.feed(block)
        expand.finish()
        return json.loads(b"".join(pieces))
    except (RejectedError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: expected a JSON file: {error}") from error
