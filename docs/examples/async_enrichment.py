"""Asks a service about every user, many at the same time, and remembers the answers.

python async_enrichment.py --set '[pipeline:Logins:UserName] url=https://example.com/users'
"""

from __future__ import annotations

import sys
from typing import Any

import aiohttp

import bspump
import bspump.file


class UserName(bspump.AsyncProcessor):
    """Put the name of its user into an event; the order of the events stays as it is."""

    ConfigDefaults = {"url": "", "concurrency": 50, "cache_size": 10_000, "retry.attempts": 3}

    async def open(self) -> None:
        timeout = aiohttp.ClientTimeout(total=10)
        self._session = aiohttp.ClientSession(timeout=timeout)

    async def close(self) -> None:
        await self._session.close()

    def cache_key(self, context: dict[str, Any], event: dict[str, Any], /) -> Any:
        return event["user"]

    async def process(self, context: dict[str, Any], event: dict[str, Any], /) -> Any:
        try:
            async with self._session.get(f"{self.Config['url']}/{event['user']}") as response:
                if response.status == 404:
                    return {"name": None}
                response.raise_for_status()
                return await response.json()
        except aiohttp.ClientError as error:
            raise bspump.TransientError(str(error)) from error

    def apply(self, context: dict[str, Any], event: dict[str, Any], result: Any, /) -> Any:
        return {**event, "name": result["name"]}


class Logins(bspump.Pipeline):
    """From lines of JSON to lines with names."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.FileSource(app, self, config={"path": "in.ndjson", "codec": "json"}),
            UserName(app, self),
            bspump.file.FileSink(app, self, config={"path": "out.ndjson", "codec": "json"}),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Logins(application))
    sys.exit(application.run())
