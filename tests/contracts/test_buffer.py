"""The disk buffer keeps the contract of sources."""

from __future__ import annotations

import pytest

from bspump.abc.source import Source
from bspump.buffer import DiskBufferSource
from bspump.testing.contracts import SourceContract, SourceTarget, does_not_apply


class PushedSource(Source):
    """Passes on what it is given."""

    async def main(self):
        await self.stopped()


class TestDiskBufferSource(SourceContract):
    @pytest.fixture
    def target(self, tmp_path):
        sources = []

        def make(app, pipeline):
            config = {"directory": str(tmp_path / "buffer")}
            sources.append(DiskBufferSource(app, pipeline, PushedSource, config=config))
            return sources[-1]

        async def write(events):
            await sources[-1].Source.Pipeline.process_many(events)

        return SourceTarget(make=make, write=write, is_live=True)

    async def test_another_source_reads_on_from_each_position(self, target):
        does_not_apply("a buffer has one user at a time")
