"""A pipeline that starts with syslog."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

import bspump
from bspump.abc.sink import Sink
from bspump.syslog import SyslogSource
from bspump.testing import eventually


class Collector(Sink):
    """Keeps what it gets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.Events: list[Any] = []
        self.Contexts: list[dict[str, Any]] = []

    def process(self, context, event):
        self.Contexts.append(context)
        self.Events.append(event)


class Watched(bspump.Pipeline):
    """Keeps the errors of events and goes on; other errors stop it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.Rejected: list[tuple[str, Any]] = []
        self.Failed: list[BaseException] = []

    def handle_error(self, exception, context, event):
        if context is None:
            self.Failed.append(exception)
            return False
        self.Rejected.append((str(exception), event))
        return True


class Receiver:
    """An application with a syslog source, and what came out of it."""

    def __init__(self) -> None:
        self.app = bspump.BSPumpApplication(args=[])
        self.pipeline = Watched(self.app, "Test")
        self.sink = Collector(self.app, self.pipeline)
        self._stack = AsyncExitStack()

    def make(self, cls: type, **config: Any) -> Any:
        return cls(self.app, self.pipeline, config=config)

    async def start(self, source: Any, *processors: Any) -> None:
        self.pipeline.build(source, *processors, self.sink)
        self.app.PumpService.add_pipeline(self.pipeline)
        await self._stack.enter_async_context(self.app.running())

    async def listen(self, **config: Any) -> SyslogSource:
        source = self.make(SyslogSource, **{"address": "127.0.0.1 0", **config})
        await self.start(source)
        await eventually(lambda: source.Addresses or self.pipeline.Failed)
        return source

    async def messages(self, count: int) -> list[str]:
        """Wait for so many events and return what they say."""
        await eventually(lambda: len(self.sink.Events) >= count)
        return [event["message"] for event in self.sink.Events]

    async def stop(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    yield made
    await asyncio.wait_for(made.stop(), 30)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return the files of an authority and of a server."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    found = SimpleNamespace(ca=str(folder / "ca.pem"), server=str(folder / "server.pem"))
    authority.cert_pem.write_to_path(found.ca)
    server = authority.issue_cert("localhost", "127.0.0.1")
    server.private_key_and_cert_chain_pem.write_to_path(found.server)
    return found


@pytest.fixture
def short_path(tmp_path: Path) -> str:
    """Return a path for a Unix socket; it has to be shorter than 108 bytes."""
    path = str(tmp_path / "s")
    if len(path) > 100:
        pytest.skip("does not apply: the temporary directory has too long a name")
    return path
