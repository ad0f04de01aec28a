"""Stores to be tested, and what the tests of their contract have in common."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bspump.abc.dead_letters import DeadLetterOptions
from bspump.abc.state import Epoch, Snapshot, StateStore

from .base import ODD_TEXTS

G, PART, SOURCE, SINK = "Orders", "Orders.Total", "Orders.*Kafka", "Orders.Postgres"

PLAIN: list[Any] = [
    *ODD_TEXTS,
    "lone surrogate \ud800",
    b"\x00\xff",
    0,
    -1,
    2**63,
    -(2**63) - 1,
    10**400,
    -0.0,
    1e308,
    math.inf,
    True,
    None,
    (),
    (1, (2, [3, ()])),
    [],
    {},
    {1: "int", None: "none", b"b": "bytes", 1.5: "float", (1, ("a", 2**70)): "tuple"},
    {"nested": {"deep": [{"er": ({"est": (b"",)},)}]}},
]
"""Plain data that is easily mistaken for other data."""

ODD: list[Any] = [{1, 2}, object(), bytearray(b"x"), type("Sub", (dict,), {})(a=1), 1 + 2j, len]
"""What is not plain data, and could be taken for it."""


@dataclass(frozen=True, kw_only=True)
class StateStoreTarget:
    """A store to be tested.

    Args:
        make: returns a store that is not open, with these limits of dead letters; each time of
            the same data.
        is_exclusive: it refuses a second user of the same data.
    """

    make: Callable[[DeadLetterOptions], StateStore]
    is_exclusive: bool = True

    @asynccontextmanager
    async def opened(self, **limits: Any) -> AsyncIterator[StateStore]:
        """Open a store, and close it at the end of the block."""
        store = self.make(DeadLetterOptions(**limits))
        await store.open()
        try:
            yield store
        finally:
            await store.close()


def exactly(value: Any) -> Any:
    """Return what is equal only for equal values of the same types, in the same order."""
    if isinstance(value, dict):
        return dict, [(exactly(k), exactly(v)) for k, v in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [exactly(each) for each in value]
    return type(value), repr(value)


def epoch_of(store: StateStore, number: int, **states: Snapshot) -> Epoch:
    """Return an epoch with the state of some parts and nothing else."""
    frozen = {address: store.freeze(address, state) for address, state in states.items()}
    return Epoch(group=G, number=number, at_s=number, states=frozen)


async def keyed_of(store: StateStore, address: str, group: str = G) -> dict[Any, Any] | None:
    """Return the keyed state that is stored of a part."""
    found = await store.load_state(group, address)
    return None if found is None else found.keyed
