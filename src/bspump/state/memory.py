"""The store in memory: for tests, and where nothing has to survive the process."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from bspump.abc.dead_letters import DeadLetterOptions
from bspump.abc.state import (
    Attempt,
    Checkpoint,
    Epoch,
    FrozenState,
    PartState,
    PreparedToken,
    Snapshot,
    Staged,
    StateStore,
)

from .epochs import EncodedEpoch, already_staged, check_number, encoded, not_staged
from .freezing import freeze, thaw
from .memory_letters import MemoryDeadLetters
from .plain import decode, encode
from .staging import unsettled
from .tables import KEPT_ATTEMPTS, already_stored, by_partition, is_left, nothing_stored


@dataclass(slots=True)
class _Part:
    version: int
    value: bytes
    keyed: dict[bytes, bytes]


@dataclass(slots=True)
class _Positions:
    epoch: int
    partitions: bytes
    acknowledged: int = 0


@dataclass(slots=True)
class _Group:
    epoch: int = 0
    at_s: float = 0.0
    fingerprint: str = ""
    parts: dict[str, _Part] = field(default_factory=dict)
    positions: dict[str, _Positions] = field(default_factory=dict)
    tokens: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def stored(self) -> Sequence[dict[str, Any]]:
        """Return all that is stored by address."""
        return self.parts, self.positions, self.tokens


class MemoryStateStore(StateStore):
    """Keeps state as long as the object lives, also over `close` and `open`.

    It keeps bytes, as the others do, so that what works with it works with them.

    Args:
        letters: limits of the dead letters.
    """

    def __init__(self, *, letters: DeadLetterOptions = DeadLetterOptions()) -> None:  # noqa: B008
        self._groups: dict[str, _Group] = {}
        self._attempts: dict[tuple[str, str, bytes, bytes], int] = {}
        self._staged: dict[str, EncodedEpoch] = {}
        self._letters = MemoryDeadLetters(letters)
        self._lineage = uuid.uuid4().hex

    @property
    def dead_letters(self) -> MemoryDeadLetters:
        return self._letters

    @property
    def lineage(self) -> str:
        return self._lineage

    async def open(self) -> None:
        """Do nothing: there is nothing to open."""

    async def close(self) -> None:
        """Do nothing: what is stored stays."""

    def freeze(self, address: str, snapshot: Snapshot, /) -> FrozenState:
        return freeze(address, snapshot)

    async def commit(self, epoch: Epoch, /) -> None:
        self._put(self._checked(epoch))

    async def stage(self, epoch: Epoch, /) -> None:
        self._staged[epoch.group] = self._checked(epoch)

    async def staged(self, group: str, /) -> Staged | None:
        found = self._staged.get(group)
        return None if found is None else found.staged()

    async def promote(self, group: str, number: int, /) -> None:
        found = self._staged.get(group)
        if found is None or found.number != number:
            raise not_staged(group, number, None if found is None else found.number)
        self._put(self._staged.pop(group))

    async def rollback(self, group: str, /) -> None:
        self._staged.pop(group, None)

    def _checked(self, epoch: Epoch) -> EncodedEpoch:
        """Return an epoch as it is stored. All that can be refused is refused here."""
        whole = encoded(epoch)
        check_number(whole, (self._groups.get(epoch.group) or _Group()).epoch)
        if epoch.group in self._staged:
            raise already_staged(epoch.group, self._staged[epoch.group].number)
        self._letters.check_room(whole.letters)
        return whole

    def _put(self, epoch: EncodedEpoch) -> None:
        group = self._groups.setdefault(epoch.group, _Group())
        group.epoch, group.at_s, group.fingerprint = epoch.number, epoch.at_s, epoch.fingerprint
        for source, partitions in epoch.positions.items():
            self._forget_attempts(epoch.group, source, partitions)
            stored = group.positions.setdefault(source, _Positions(0, b""))
            stored.epoch, stored.partitions = epoch.number, partitions
        for sink, token in epoch.tokens.items():
            group.tokens.setdefault(sink, {})[epoch.number] = token
        for address, state in epoch.states.items():
            _put_state(group, address, state)
        self._letters.mark(epoch.replayed, epoch.at_s)
        self._letters.insert(epoch.letters)

    async def mark(
        self,
        group: str,
        epoch: int,
        /,
        *,
        committed: Collection[str] = (),
        acknowledged: Collection[str] = (),
    ) -> None:
        found = self._groups.get(group) or _Group()
        for sink in set(committed) & found.tokens.keys():
            left = {of: token for of, token in found.tokens.pop(sink).items() if of > epoch}
            if left:
                found.tokens[sink] = left
        for source in set(acknowledged) & found.positions.keys():
            stored = found.positions[source]
            stored.acknowledged = max(stored.acknowledged, epoch)

    async def groups(self) -> Sequence[str]:
        return sorted(self._groups.keys() | self._staged.keys())

    async def load(self, group: str, /) -> Checkpoint | None:
        found = self._groups.get(group)
        if found is None:
            return None
        pending = [
            PreparedToken(sink, epoch, decode(token))
            for sink, tokens in found.tokens.items()
            for epoch, token in tokens.items()
        ]
        return Checkpoint(
            group=group,
            epoch=found.epoch,
            at_s=found.at_s,
            fingerprint=found.fingerprint,
            positions={k: decode(each.partitions) for k, each in found.positions.items()},
            versions={address: part.version for address, part in found.parts.items()},
            pending=sorted(pending, key=lambda token: (token.epoch, token.sink)),
            unacknowledged=frozenset(
                k for k, each in found.positions.items() if each.epoch > each.acknowledged
            ),
        )

    async def load_state(self, group: str, address: str, /) -> PartState | None:
        part = (self._groups.get(group) or _Group()).parts.get(address)
        return None if part is None else thaw(part.version, part.value, part.keyed)

    async def move(
        self, group: str, address: str, /, *, to_group: str | None = None, to_address: str
    ) -> None:
        to_group = group if to_group is None else to_group
        if not self._is_stored(group, address):
            raise nothing_stored(group, address)
        if self._is_stored(to_group, to_address):
            raise already_stored(to_group, to_address)
        self._move_staged(group, address, to_group, to_address)
        self._attempts = {
            (to_group, to_address, *at[2:]) if at[:2] == (group, address) else at: count
            for at, count in self._attempts.items()
        }
        source = self._groups.get(group)
        if source is None:
            return
        target = self._groups.setdefault(to_group, _Group())
        if source.epoch > target.epoch:
            target.epoch, target.at_s = source.epoch, source.at_s
            target.fingerprint = source.fingerprint
        for stored, to_stored in zip(source.stored(), target.stored(), strict=True):
            if address in stored:
                to_stored[to_address] = stored.pop(address)

    async def drop(self, group: str, address: str, /) -> None:
        if not self._is_stored(group, address):
            raise nothing_stored(group, address)
        for stored in (self._groups.get(group) or _Group()).stored():
            stored.pop(address, None)
        if group in self._staged:
            left = self._staged.pop(group).without(address)
            if left is not None:
                self._staged[group] = left
        self._keep_attempts(lambda of, name: (of, name) != (group, address))

    async def drop_group(self, group: str, /) -> None:
        self._groups.pop(group, None)
        self._staged.pop(group, None)
        self._keep_attempts(lambda of, _: of != group)

    async def count_attempt(
        self, group: str, source: str, position: Any, /, partition: Any = None
    ) -> int:
        of = f"position of {source!r}"
        where = group, source, encode(partition, of=of), encode(position, of=of)
        # Taken out and put back, so that the last one comes last.
        count = self._attempts[where] = self._attempts.pop(where, 0) + 1
        kept = [at for at in self._attempts if at[:2] == (group, source)]
        for at in kept[:-KEPT_ATTEMPTS]:
            del self._attempts[at]
        return count

    async def attempts(self, group: str, /) -> Sequence[Attempt]:
        return [
            Attempt(source, decode(partition), decode(position), count)
            for (of, source, partition, position), count in self._attempts.items()
            if of == group
        ]

    def _move_staged(self, group: str, address: str, to_group: str, to_address: str) -> None:
        if group == to_group:
            if group in self._staged:
                self._staged[group] = self._staged[group].moved(address, to_address)
            return
        for each in (group, to_group):
            if each in self._staged:
                raise unsettled(each, self._staged[each].number)

    def _forget_attempts(self, group: str, source: str, partitions: bytes) -> None:
        stored = (self._groups.get(group) or _Group()).positions.get(source)
        old = by_partition(decode(stored.partitions)) if stored else {}
        new = by_partition(decode(partitions))
        self._attempts = {
            at: count
            for at, count in self._attempts.items()
            if at[:2] != (group, source) or not is_left(at[2], at[3], old, new)
        }

    def _keep_attempts(self, is_kept: Callable[[str, str], bool]) -> None:
        self._attempts = {at: n for at, n in self._attempts.items() if is_kept(at[0], at[1])}

    def _is_stored(self, group: str, address: str) -> bool:
        found = self._groups.get(group) or _Group()
        is_staged = group in self._staged and address in self._staged[group].staged().addresses
        return (
            is_staged
            or any(address in stored for stored in found.stored())
            or any(at[:2] == (group, address) for at in self._attempts)
        )


def _put_state(group: _Group, address: str, state: FrozenState) -> None:
    part = group.parts.get(address)
    keyed = part.keyed if part is not None and not state.is_complete else {}
    for key, value in zip(state.keys, state.values, strict=True):
        if value:
            keyed[key] = value
        else:
            keyed.pop(key, None)
    group.parts[address] = _Part(state.version, state.value, keyed)
