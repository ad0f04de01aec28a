"""The SQLite store holds what the one in memory holds, wherever its process ends."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bspump.abc.dead_letters import DeadLetter, DeadLetterOptions, LetterFilter
from bspump.abc.errors import ConfigError, ExhaustedError
from bspump.abc.state import Epoch, Snapshot
from bspump.state import MemoryStateStore, SqliteStateStore
from bspump.state.folding import Maintenance

GROUPS = ["G", "H"]
PARTS = ["P", "Q", "R"]
KEYS = st.sampled_from([*range(8), "a", (1, "b"), True, 2.0])
LIMITS = DeadLetterOptions(max_events=5, when_full="drop_oldest")
REFUSALS = (ValueError, ConfigError, ExhaustedError)


class Stores(RuleBasedStateMachine):
    """Does the same to both, and looks whether they stay equal."""

    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.number = 0

    def sqlite(self):
        maintenance = Maintenance(fold_bytes=self.fold_bytes, step_keys=3)
        return SqliteStateStore(
            self.directory / "state.db",
            letters=LIMITS,
            maintenance=maintenance,
            synchronous="off",
        )

    def both(self, call):
        """Let both do something; the outcome, which may be a refusal, is the same."""
        outcomes = []
        for store in (self.memory, self.store):
            try:
                outcomes.append(self.runner.run(call(store)))
            except REFUSALS as error:
                outcomes.append(type(error))
        assert outcomes[0] == outcomes[1]
        return outcomes[0]

    @initialize(fold_bytes=st.sampled_from([0, 100, 10_000]))
    def open(self, fold_bytes):
        self.fold_bytes = fold_bytes
        self.memory, self.store = MemoryStateStore(letters=LIMITS), self.sqlite()
        self.runner.run(self.store.open())

    @rule(
        group=st.sampled_from(GROUPS),
        step=st.integers(0, 3),
        part=st.sampled_from(PARTS),
        changed=st.dictionaries(KEYS, st.integers(0, 9), max_size=6),
        removed=st.lists(KEYS, max_size=3),
        is_complete=st.booleans(),
        positions=st.dictionaries(st.integers(0, 2), st.integers(0, 3), max_size=2),
        letters=st.integers(0, 2),
    )
    def commit(self, group, step, part, changed, removed, is_complete, positions, letters):
        self.number += step
        number = self.number
        snapshot = Snapshot(
            version=number, value=changed, changed=changed, removed=removed, is_complete=is_complete
        )
        letters = [letter_of(number)] * letters

        async def call(store):
            await store.commit(
                Epoch(
                    group=group,
                    number=number,
                    at_s=number,
                    states={part: store.freeze(part, snapshot)},
                    positions={part: positions} if positions else {},
                    tokens={part: number} if step % 2 else {},
                    letters=letters,
                )
            )

        self.both(call)

    @rule(
        group=st.sampled_from(GROUPS),
        step=st.integers(0, 3),
        part=st.sampled_from(PARTS),
        changed=st.dictionaries(KEYS, st.integers(0, 9), max_size=6),
        removed=st.lists(KEYS, max_size=3),
        is_complete=st.booleans(),
        letters=st.integers(0, 2),
        decider=st.sampled_from(PARTS),
    )
    def stage(self, group, step, part, changed, removed, is_complete, letters, decider):
        self.number += step
        number = self.number
        snapshot = Snapshot(changed=changed, removed=removed, is_complete=is_complete)
        letters = [letter_of(number)] * letters

        async def call(store):
            await store.stage(
                Epoch(
                    group=group,
                    number=number,
                    at_s=number,
                    states={part: store.freeze(part, snapshot)},
                    positions={part: {0: number}},
                    tokens={part: number} if step % 2 else {},
                    letters=letters,
                    replayed=[number, number - 2],
                    deciders=[decider],
                )
            )

        self.both(call)

    @rule(group=st.sampled_from(GROUPS), is_promoted=st.booleans())
    def settle(self, group, is_promoted):
        async def call(store):
            staged = await store.staged(group)
            if not is_promoted:
                await store.rollback(group)
            elif staged is not None:
                await store.promote(group, staged.number)
            return staged

        self.both(call)

    @rule(group=st.sampled_from(GROUPS), part=st.sampled_from(PARTS), epoch=st.integers(0, 20))
    def mark(self, group, part, epoch):
        self.both(lambda s: s.mark(group, epoch, committed=[part], acknowledged=[part]))

    @rule(
        group=st.sampled_from(GROUPS),
        part=st.sampled_from(PARTS),
        to_group=st.sampled_from([*GROUPS, None]),
        to_part=st.sampled_from(PARTS),
    )
    def move(self, group, part, to_group, to_part):
        self.both(lambda s: s.move(group, part, to_group=to_group, to_address=to_part))

    @rule(group=st.sampled_from(GROUPS), part=st.sampled_from(PARTS))
    def drop(self, group, part):
        self.both(lambda s: s.drop(group, part))

    @rule(group=st.sampled_from(GROUPS))
    def drop_group(self, group):
        self.both(lambda s: s.drop_group(group))

    @rule(
        group=st.sampled_from(GROUPS),
        part=st.sampled_from(PARTS),
        position=st.integers(0, 3),
        partition=st.integers(0, 2),
    )
    def attempt(self, group, part, position, partition):
        self.both(lambda s: s.count_attempt(group, part, position, partition=partition))

    @rule(count=st.integers(1, 4))
    def put(self, count):
        self.number += 1
        letters = [letter_of(self.number) for _ in range(count)]
        self.both(lambda s: s.dead_letters.put(letters))

    @rule(
        ids=st.sets(st.integers(0, 20), max_size=3),
        use=st.sampled_from(["remove", "mark", "request"]),
    )
    def use(self, ids, use):
        which = LetterFilter(ids=ids)
        if use == "remove":
            self.both(lambda s: s.dead_letters.remove(which))
        elif use == "mark":
            self.both(lambda s: s.dead_letters.mark_replayed(which, at_s=1.0))
        else:
            self.both(lambda s: s.dead_letters.request_replay(which))

    @rule()
    def restart(self):
        self.runner.run(self.store.close())
        self.store = self.sqlite()
        self.runner.run(self.store.open())

    @rule()
    def crash(self):
        """Go on with what is on the disk now, as after a SIGKILL."""
        # An outcome is awaited before this, so that no call is half done; folding may be.
        copy = Path(tempfile.mkdtemp())
        for path in self.directory.iterdir():
            if not path.name.endswith("-shm"):
                shutil.copy(path, copy)
        self.runner.run(self.store.close())
        shutil.rmtree(self.directory)
        self.directory = copy
        self.store = self.sqlite()
        self.runner.run(self.store.open())

    @invariant()
    def both_hold_the_same(self):
        if not hasattr(self, "store"):
            return
        self.both(contents)

    def teardown(self):
        if hasattr(self, "store"):
            self.runner.run(self.store.close())
        self.runner.close()
        shutil.rmtree(self.directory)


def letter_of(number):
    return DeadLetter(
        pipeline="A", part="B", event=number, error_type="E", error_text=str(number), at_s=number
    )


async def contents(store):
    """Return all that a store holds."""
    found = [await store.groups(), await store.dead_letters.stats()]
    found.append(await store.dead_letters.find())
    for group in GROUPS:
        found += [await store.load(group), await store.attempts(group)]
        found.append(await store.staged(group))
        found += [await store.load_state(group, part) for part in PARTS]
    return found


TestStores = Stores.TestCase
TestStores.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow],
)
