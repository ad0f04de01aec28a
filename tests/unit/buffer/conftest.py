"""What the tests of disk buffers have in common."""

from __future__ import annotations

import asyncio
import contextlib
import functools

import pytest

from bspump.abc.source import Source
from bspump.buffer import DiskBufferSource
from bspump.state import MemoryStateStore
from bspump.testing import eventually
from bspump.testing.harness import Harness
from bspump.testing.servers.ports import free_port as find_port


class Pushed(Source):
    """A source that passes on what a test gives it, while it runs."""

    def __init__(self, app, pipeline, id=None, config=None):
        super().__init__(app, pipeline, id, config)
        self.is_running, self.starts, self.ended = False, 0, asyncio.Event()

    async def main(self):
        self.is_running, self.starts = True, self.starts + 1
        try:
            await self.ended.wait()
        finally:
            self.is_running = False

    def is_finished(self):
        return self.ended.is_set()


class Buffered:
    """Harnesses with one buffered pipeline each, of the same directory and store."""

    Pushed = Pushed

    def __init__(self, tmp_path):
        self.directory = tmp_path / "buffer"
        self.store = MemoryStateStore()

    @contextlib.asynccontextmanager
    async def running(self, source=Pushed, *, id="P", store=True, **config):
        config = {f"buffer.{key}": value for key, value in config.items()}
        config["directory"] = str(self.directory)

        def make(app, pipeline):
            return DiskBufferSource(app, pipeline, source, id="Buffer", config=config)

        async with Harness(store=self.store if store else None) as harness:
            harness.pipeline_ = harness.chain(functools.partial(make), id=id)
            harness.buffer = harness.pipeline_.Sources[0]
            harness.inner = harness.buffer.Source
            if source is Pushed:
                await eventually(lambda: harness.inner.is_running)
            yield harness


@pytest.fixture
def buffered(tmp_path):
    return Buffered(tmp_path)


@pytest.fixture
def free_port():
    return find_port()
