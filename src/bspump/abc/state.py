"""The contract of stores: checkpoints, what was tried, and dead letters, of one application.

State, positions and tokens are *plain data*: `dict`, `list`, `tuple`, `str`, `bytes`, `int`,
`float`, `bool` and `None`, exactly these types. They come back equal and of the same types.
Keys of keyed state may be all of these that can be keys of a `dict`; keys that are equal are the
same key, and of `1`, `1.0` and `True` the one that comes back is `1`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .dead_letters import DeadLetter, DeadLetterStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a part remembers, as it hands it over for an epoch.

    Args:
        version: of the form of its state; comes back with it, so that a newer program knows.
        value: what is not kept by key; replaces what was stored.
        changed: keyed state that changed since the last epoch, with its values.
        removed: keys that are gone since then; one that is in `changed` as well is not gone.
        is_complete: `changed` is all there is, and what was stored under other keys is gone.
    """

    version: int = 1
    value: Any = None
    changed: Mapping[Any, Any] = field(default_factory=dict)
    removed: Collection[Any] = ()
    is_complete: bool = False


class FrozenState(NamedTuple):
    """A snapshot as bytes, made by `StateStore.freeze`; changing the state changes it no more.

    Args:
        version: of the form of the state.
        value: what is not kept by key.
        keys: of keyed state, in the order of the changes; of one that is there twice the last
            change counts.
        values: one for each key; empty where the key was removed.
        is_complete: nothing of what was stored before is left.
    """

    version: int
    value: bytes
    keys: Sequence[bytes]
    values: Sequence[bytes]
    is_complete: bool

    @property
    def size_bytes(self) -> int:
        """How much there is to be written."""
        return len(self.value) + sum(map(len, self.keys)) + sum(map(len, self.values))

    def followed_by(self, newer: FrozenState) -> FrozenState:
        """Return both as one, as if `newer` had been taken since before this one."""
        if newer.is_complete:
            return newer
        entries = dict(zip(self.keys, self.values, strict=True))
        entries.update(zip(newer.keys, newer.values, strict=True))
        return FrozenState(
            newer.version, newer.value, list(entries), list(entries.values()), self.is_complete
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """What is stored of one part: the version of its form, its value, its keyed state."""

    version: int
    value: Any
    keyed: dict[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """All that one checkpoint of a group of connected pipelines changes.

    What is not named stays as it was: a part whose state did not change, a source that did
    not read, tokens of earlier epochs that are not marked as committed.

    Args:
        group: of the pipelines.
        number: greater than that of every epoch of the group before.
        at_s: when it was taken, Unix seconds.
        fingerprint: of the structure of the pipelines.
        positions: by address of source and by partition; `None` is the partition of a source
            that has none. All partitions of a source are replaced together.
        states: by address of part.
        tokens: of transactional sinks that have prepared, by address.
        letters: events that were set aside in this epoch: stored exactly once with it.
        replayed: ids of dead letters that were replayed in it, and are marked as such with it.
        deciders: addresses of sinks that keep the number of the epoch with their data, and so
            tell after a crash whether it happened. Such an epoch is staged first.
    """

    group: str
    number: int
    at_s: float
    fingerprint: str = ""
    positions: Mapping[str, Mapping[Any, Any]] = field(default_factory=dict)
    states: Mapping[str, FrozenState] = field(default_factory=dict)
    tokens: Mapping[str, Any] = field(default_factory=dict)
    letters: Sequence[DeadLetter] = ()
    replayed: Collection[int] = ()
    deciders: Collection[str] = ()


class Staged(NamedTuple):
    """An epoch that is stored and did not happen yet.

    Args:
        number: of the epoch.
        deciders: addresses of the sinks that tell whether it happened.
        addresses: of everything that it changes: sources, parts, sinks, deciders; sorted.
    """

    number: int
    deciders: Sequence[str]
    addresses: Sequence[str] = ()


class PreparedToken(NamedTuple):
    """What a transactional sink prepared in an epoch that is stored, and has to commit."""

    sink: str
    epoch: int
    token: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How what is stored differs from what a program has; addresses, sorted.

    Args:
        unclaimed_parts: their state is stored; the program has no such part.
        new_parts: the program has them; nothing is stored.
        unclaimed_sources: their positions are stored; the program has no such source.
        new_sources: the program has them; no position is stored.
        unclaimed_sinks: they have something to commit; the program has no such sink.
    """

    unclaimed_parts: Sequence[str]
    new_parts: Sequence[str]
    unclaimed_sources: Sequence[str]
    new_sources: Sequence[str]
    unclaimed_sinks: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The last complete epoch of a group, without the state of its parts.

    Args:
        group: of the pipelines.
        epoch: its number.
        at_s: when it was taken, Unix seconds.
        fingerprint: of the structure of the pipelines at that time.
        positions: by address of source and by partition.
        versions: of the state of every part that has some, by address.
        pending: what sinks have prepared and is not marked as committed, the oldest first.
        unacknowledged: sources whose position is not marked as acknowledged.
    """

    group: str
    epoch: int
    at_s: float
    fingerprint: str
    positions: Mapping[str, Mapping[Any, Any]]
    versions: Mapping[str, int]
    pending: Sequence[PreparedToken]
    unacknowledged: frozenset[str]

    def difference(
        self, *, parts: Collection[str], sources: Collection[str], sinks: Collection[str]
    ) -> Difference:
        """Compare with the addresses of what a program has: stateful parts, sources, sinks."""
        has_parts, has_sources = set(parts), set(sources)
        return Difference(
            unclaimed_parts=sorted(self.versions.keys() - has_parts),
            new_parts=sorted(has_parts - self.versions.keys()),
            unclaimed_sources=sorted(self.positions.keys() - has_sources),
            new_sources=sorted(has_sources - self.positions.keys()),
            unclaimed_sinks=sorted({token.sink for token in self.pending} - set(sinks)),
        )


class Attempt(NamedTuple):
    """How often it was begun to process what follows a position."""

    source: str
    partition: Any
    position: Any
    times: int


class StateStore(ABC):
    """Where an application keeps what must survive it. One process at a time may write.

    What changes something is durable when it returns, unless it says otherwise, and changes all
    or nothing: when it raises nothing has changed, and when it is cancelled or the process dies
    meanwhile, either is possible. After a cancel the store can be used as before.

    Raises:
        TransientError: by everything but `open`: not possible now, for example because the disk
            is full; the same call may succeed later.
        ConfigError: by everything: what is stored cannot be read, or what was given is not plain
            data. It names the file or the part, and says what to do. A store that cannot be
            read is never taken for an empty one.
    """

    @property
    @abstractmethod
    def dead_letters(self) -> DeadLetterStore:
        """The dead letters of the application."""

    @property
    @abstractmethod
    def lineage(self) -> str:
        """A random name that the store got when it was made, and keeps; known once it is open.

        Raises:
            RuntimeError: it was never open.
        """

    @abstractmethod
    async def open(self) -> None:
        """Open the store, and make it where there is nothing yet.

        Raises:
            ConfigError: another process has it (which one is said), it cannot be read, or it is
                of a newer version.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close the store, also after an `open` that failed or was cancelled. Twice is fine."""

    @abstractmethod
    def freeze(self, address: str, snapshot: Snapshot, /) -> FrozenState:
        """Return the snapshot of a part in the form in which it is stored.

        It does not wait, and costs less than a microsecond for a small value of a key. What
        becomes of the state afterwards does not matter to it.

        Raises:
            ConfigError: something in it is not plain data; it says what and where.
        """

    @abstractmethod
    async def commit(self, epoch: Epoch, /) -> None:
        """Store all of an epoch. Counts of attempts at positions that it leaves are forgotten.

        Ids of dead letters that are no more are ignored.

        Raises:
            ValueError: the number is not greater than that of the last epoch of the group, or
                an epoch of it is staged.
            ExhaustedError: there is no room for its dead letters.
        """

    @abstractmethod
    async def stage(self, epoch: Epoch, /) -> None:
        """Store an epoch apart: nothing but `staged` and `groups` shows it until it is promoted.

        A part that is moved or dropped meanwhile is moved or dropped in it, too. If all of its
        deciders are dropped, it is rolled back.

        Raises:
            ValueError: as `commit`.
            ExhaustedError: there is no room for its dead letters.
        """

    @abstractmethod
    async def staged(self, group: str, /) -> Staged | None:
        """Return what is staged of a group, `None` if that is nothing."""

    @abstractmethod
    async def promote(self, group: str, number: int, /) -> None:
        """Let the staged epoch be the last one, as if it had been committed now.

        Its dead letters find room in any case: that was seen to when it was staged.

        Raises:
            ValueError: it is not the one that is staged.
        """

    @abstractmethod
    async def rollback(self, group: str, /) -> None:
        """Forget the staged epoch of a group, if there is one."""

    @abstractmethod
    async def mark(
        self,
        group: str,
        epoch: int,
        /,
        *,
        committed: Collection[str] = (),
        acknowledged: Collection[str] = (),
    ) -> None:
        """Note which sinks have committed, and which sources acknowledged, up to an epoch.

        Durable at the latest with the next `commit`: that a sink commits twice after a crash is
        harmless, and so saves the wait for the disk.
        """

    @abstractmethod
    async def groups(self) -> Sequence[str]:
        """Return the names of all groups of which an epoch is stored or staged, sorted."""

    @abstractmethod
    async def load(self, group: str, /) -> Checkpoint | None:
        """Return the last complete epoch of a group, `None` if it never had one."""

    @abstractmethod
    async def load_state(self, group: str, address: str, /) -> PartState | None:
        """Return what is stored of a part, `None` if that is nothing."""

    @abstractmethod
    async def move(
        self, group: str, address: str, /, *, to_group: str | None = None, to_address: str
    ) -> None:
        """Let everything stored under an address belong to another one: the part was renamed.

        State, positions, tokens and attempts move, also to another group where the pipelines
        are connected differently now. The epoch of the other group becomes the greater of both.

        Raises:
            ConfigError: nothing is stored under `address`, or something under `to_address`; or
                one group is to give to the other while an epoch of one of them is staged.
        """

    @abstractmethod
    async def drop(self, group: str, address: str, /) -> None:
        """Forget everything stored under an address: the part was removed.

        Raises:
            ConfigError: nothing is stored under it.
        """

    @abstractmethod
    async def drop_group(self, group: str, /) -> None:
        """Forget everything of a group, its number included; an unknown one is ignored."""

    @abstractmethod
    async def count_attempt(
        self, group: str, source: str, position: Any, /, partition: Any = None
    ) -> int:
        """Count that processing what follows a position is begun; return how often it was.

        The counts survive a crash, and so tell which event causes it. Of each source the last
        thousand positions are kept.
        """

    @abstractmethod
    async def attempts(self, group: str, /) -> Sequence[Attempt]:
        """Return the counts of a group; the position that was counted last is the last one."""
