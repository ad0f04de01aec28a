"""Whole files as events: as they are, and as JSON."""

from __future__ import annotations

import asyncio
from typing import IO, Any

from bspump.formats.registry import codec

from .abc_source import FileABCSource


class FileBlockSource(FileABCSource):
    """Read each file as one event: `bytes`, or `str` with `mode=r`. The context has the `filename`.

    A file is in memory as a whole while its event is under way.
    """

    async def read(self, filename: str, f: IO[Any]) -> None:
        content = await asyncio.to_thread(f.read)
        await self.Pipeline.process(content, {"filename": filename})


class FileJSONSource(FileABCSource):
    """Read each file as one JSON document, which is the event. The context has the `filename`.

    A file that is no JSON is an error, and called `-failed` from then on.
    """

    async def read(self, filename: str, f: IO[Any]) -> None:
        event = await asyncio.to_thread(_parse, f)
        await self.Pipeline.process(event, {"filename": filename})


def _parse(f: IO[Any]) -> Any:
    content = f.read()
    return codec("json").decode(content.encode() if isinstance(content, str) else content)
