"""Whatever is done to a log, each of its lines is read once, and in its order."""

from __future__ import annotations

import copy
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bspump.clients.files.blocks import read_block
from bspump.file.following import Follower, FollowOptions

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 30)),
        st.sampled_from(["rename", "copy", "read", "read all", "restart", "lose"]).map(
            lambda name: (name, 0)
        ),
    ),
    max_size=25,
)


class World:
    """A log that is written and rotated, and a follower of it that crashes now and then."""

    def __init__(self, directory, pattern):
        self.path = directory / "app.log"
        self.options = FollowOptions([str(directory / pattern)], block_bytes=64, rotate_wait_s=1.0)
        self.follower = Follower(self.options)
        self.marks = {}
        self.now_s = 0.0
        self.written = []
        self.read_lines = []
        self.rotations = 0

    def write(self, count):
        with self.path.open("ab") as file:
            for _ in range(count):
                line = b"line %d of the log" % len(self.written)
                self.written.append(line)
                file.write(line + b"\n")

    def _next_name(self):
        self.rotations += 1
        return self.path.with_name(f"app.log.{self.rotations:04}")

    def rename(self, _):
        if self.path.exists():
            self.path.rename(self._next_name())

    def copy(self, _):
        if self.path.exists():
            shutil.copyfile(self.path, self._next_name())
            self.path.open("wb").close()

    def read(self, _=0):
        self.now_s += 0.3
        step = self.follower.step(self.marks, self.now_s)
        self.marks = step.marks
        self.read_lines += step.block.data.split(b"\n")[:-1]
        return step.is_idle

    def lose(self, _):
        """Take a step whose result is thrown away, as one that was cancelled."""
        self.follower.step(copy.deepcopy(self.marks), self.now_s)

    def restart(self, _):
        self.follower.close()
        self.follower = Follower(self.options)

    def read_all(self, _=0):
        while not self.read():
            pass


def run(steps, pattern, *, settles):
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory), pattern)
        try:
            for name, argument in steps:
                if settles and name in ("rename", "copy", "restart"):
                    # Where a file is not matched any more, it must have been seen before.
                    world.read_all()
                getattr(world, name.replace(" ", "_"))(argument)
                if settles and name in ("rename", "copy"):
                    world.read()
            world.read_all()
            world.now_s += 10
            world.read_all()
        finally:
            world.follower.close()
        return world


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_every_line_is_read_once_where_the_glob_matches_what_was_rotated(steps):
    world = run(steps, "app.log*", settles=False)
    assert sorted(world.read_lines) == sorted(world.written)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_every_line_is_read_once_in_order_where_it_keeps_up(steps):
    world = run(steps, "app.log", settles=True)
    assert world.read_lines == world.written


@given(
    st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=30),
    st.integers(1, 40),
    st.integers(1, 8),
    st.booleans(),
)
def test_blocks_are_the_lines_that_are_short_enough(lines, block_bytes, max_line, is_ended):
    content = b"\n".join(lines) + (b"\n" if is_ended and lines else b"")

    def pread(_fd, size, offset):
        return content[offset : offset + size]

    found, long, offset, is_skipping = b"", [], 0, False
    while True:
        block = read_block(
            -1,
            offset,
            block_bytes,
            max_line,
            is_skipping=is_skipping,
            takes_rest=True,
            pread=pread,
        )
        if block.end == offset:
            break
        found += block.data
        long += [block.long_line] if block.long_line else []
        assert not block.data or block.data.endswith(b"\n") or block.end == len(content)
        offset, is_skipping = block.end, block.is_skipping
    expected = [line for line in content.split(b"\n") if len(line) <= max_line]
    assert [line for line in found.split(b"\n") if line] == [line for line in expected if line]
    too_long = [line for line in content.split(b"\n") if len(line) > max_line]
    assert long == [line[:max_line] for line in too_long]
