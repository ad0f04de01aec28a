"""The stores keep the contract."""

from __future__ import annotations

import pytest

from bspump.state import MemoryStateStore, SqliteStateStore
from bspump.state.folding import Maintenance
from bspump.testing.contracts.dead_letters import DeadLetterContract
from bspump.testing.contracts.state import StateStoreContract
from bspump.testing.contracts.state_target import StateStoreTarget


class TestMemory(StateStoreContract, DeadLetterContract):
    @pytest.fixture
    def target(self):
        stores = []

        def make(limits):
            if not stores or stores[0][0] != limits:
                # Other limits are another store.
                stores.insert(0, (limits, MemoryStateStore(letters=limits)))
            return stores[0][1]

        return StateStoreTarget(make=make, is_exclusive=False)


class TestSqlite(StateStoreContract, DeadLetterContract):
    @pytest.fixture
    def target(self, tmp_path):
        return StateStoreTarget(
            make=lambda limits: SqliteStateStore(tmp_path / "data" / "state.db", letters=limits)
        )


class TestSqliteThatFoldsAllTheTime(StateStoreContract):
    @pytest.fixture
    def target(self, tmp_path):
        return StateStoreTarget(
            make=lambda limits: SqliteStateStore(
                tmp_path / "state.db",
                letters=limits,
                synchronous="normal",
                maintenance=Maintenance(fold_bytes=0, step_keys=2),
            )
        )
