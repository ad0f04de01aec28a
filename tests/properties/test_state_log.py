"""A log holds what was appended, wherever its process ends and whatever is damaged."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bspump.abc.disk_buffer import DiskBufferOptions
from bspump.state import SegmentLog
from bspump.state.segments import HEAD_BYTES, SegmentReader, pack

RECORDS = st.lists(st.binary(max_size=60), max_size=5)


async def read_all(log, position, **limits):
    """Return the records from a position on, each with its position, and how many were lost."""
    found, lost = {}, 0
    while True:
        block = await log.read(position, **limits)
        found |= dict(
            zip(
                range(block.position - len(block.records), block.position),
                block.records,
                strict=True,
            )
        )
        lost += block.dropped + sum(damage.lost for damage in block.damages)
        if block.position == position:
            return found, lost
        position = block.position


class Log(RuleBasedStateMachine):
    """Appends, reads, acknowledges, restarts and crashes, beside a list that does the same."""

    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.records, self.acknowledged = [], 0

    def open_log(self):
        self.log = SegmentLog(self.directory, self.options)
        self.runner.run(self.log.open(self.acknowledged))

    @initialize(segment_bytes=st.sampled_from([1, 100, 1000]), is_limited=st.booleans())
    def open(self, segment_bytes, is_limited):
        self.options = DiskBufferOptions(
            segment_bytes=segment_bytes,
            fsync="never",
            max_bytes=4096 if is_limited else 10**9,
            when_full="drop_oldest",
        )
        self.open_log()

    @rule(records=RECORDS)
    def append(self, records):
        self.records += records
        assert self.runner.run(self.log.append(records)) == len(self.records)

    @rule(batches=st.lists(RECORDS, max_size=4))
    def append_together(self, batches):
        async def together():
            return await asyncio.gather(*map(self.log.append, batches))

        for end, batch in zip(self.runner.run(together()), batches, strict=True):
            self.records += batch
            assert end == len(self.records)

    @rule(data=st.data())
    def acknowledge(self, data):
        position = data.draw(st.integers(self.acknowledged, len(self.records)))
        self.acknowledged = position
        self.runner.run(self.log.acknowledge(position))

    @rule()
    def restart(self):
        self.runner.run(self.log.close())
        self.open_log()

    @precondition(lambda self: self.records)
    @rule(data=st.data(), tail=st.binary(max_size=30))
    def crash(self, data, tail):
        """Go on with what is on the disk, and perhaps a part of a record that was under way."""
        torn = pack(len(self.records), [b"under way"])
        torn = torn[: data.draw(st.integers(0, len(torn) - 1))] or tail
        copy = Path(tempfile.mkdtemp())
        shutil.copytree(self.directory, copy, dirs_exist_ok=True)
        self.runner.run(self.log.close())
        shutil.rmtree(self.directory)
        self.directory = copy
        with max(copy.glob("*.segment")).open("ab") as file:
            file.write(torn)
        self.open_log()

    @invariant()
    def what_is_not_acknowledged_can_be_read(self):
        if not hasattr(self, "log"):
            return
        found, lost = self.runner.run(read_all(self.log, self.acknowledged, max_records=3))
        begin = max(self.acknowledged, min(self.log.stats().begin, len(self.records)))
        assert found == dict(enumerate(self.records[begin:], begin))
        assert lost == begin - self.acknowledged
        if self.options.max_bytes > 4096:
            assert lost == 0
        assert self.log.stats().size_bytes <= self.options.max_bytes

    def teardown(self):
        if hasattr(self, "log"):
            self.runner.run(self.log.close())
        self.runner.close()
        shutil.rmtree(self.directory)


TestLog = Log.TestCase
TestLog.settings = settings(
    max_examples=30, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
)


@given(
    st.lists(st.binary(max_size=40), min_size=1, max_size=12),
    st.data(),
    st.sampled_from([1, 30, 10_000]),
)
def test_undamaged_records_are_read_whatever_was_done_to_the_others(records, data, max_bytes):
    content = bytearray(pack(5, records))
    starts = [sum(len(r) + HEAD_BYTES for r in records[:n]) for n in range(len(records) + 1)]
    first = data.draw(st.integers(0, len(content) - 1))
    last = data.draw(st.integers(first, min(len(content), first + 60) - 1))
    content[first : last + 1] = bytes(byte ^ 0x5A for byte in content[first : last + 1])
    damaged = {n for n in range(len(records)) if starts[n] <= last and first < starts[n + 1]}
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        reader = SegmentReader(file.fileno(), "x", len(content), 5 + len(records))
        number, offset, found, lost = 5, 0, [], 0
        while number < 5 + len(records):
            piece = reader.read(number, offset, first=5, max_records=3, max_bytes=max_bytes)
            assert piece.number > number
            number, offset = piece.number, piece.offset
            found += piece.records
            lost += sum(damage.lost for damage in piece.damages)
    assert found == [record for n, record in enumerate(records) if n not in damaged]
    assert lost == len(damaged)
