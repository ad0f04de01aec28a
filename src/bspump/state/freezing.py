"""Snapshots as bytes and back."""

from __future__ import annotations

from collections.abc import Mapping

from bspump.abc.state import FrozenState, PartState, Snapshot

from .plain import decode, encode, encode_key


def freeze(address: str, snapshot: Snapshot) -> FrozenState:
    """Return a snapshot as bytes; removed keys come first.

    Raises:
        ConfigError: something in it is not plain data.
    """
    of_key, of = f"key of the state of {address!r}", f"state of {address!r}"
    entries: list[tuple[bytes, bytes | None]] = [
        (encode_key(key, of=of_key), None) for key in snapshot.removed
    ]
    entries += [
        (encode_key(key, of=of_key), encode(value, of=of))
        for key, value in snapshot.changed.items()
    ]
    return FrozenState(
        snapshot.version, encode(snapshot.value, of=of), entries, snapshot.is_complete
    )


def thaw(version: int, value: bytes, keyed: Mapping[bytes, bytes]) -> PartState:
    """Return what is stored of a part. Raises ValueError where it is damaged."""
    return PartState(
        version=version,
        value=decode(value),
        keyed={decode(key): decode(value) for key, value in keyed.items()},
    )
