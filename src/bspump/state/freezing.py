"""Snapshots as bytes and back."""

from __future__ import annotations

from collections.abc import Mapping

from bspump.abc.state import FrozenState, PartState, Snapshot

from .plain import decode, encode, encode_all, encode_keys


def freeze(address: str, snapshot: Snapshot) -> FrozenState:
    """Return a snapshot as bytes; removed keys come first.

    Raises:
        ConfigError: something in it is not plain data.
    """
    of_key, of = f"key of the state of {address!r}", f"state of {address!r}"
    removed = encode_keys(snapshot.removed, of=of_key)
    changed = encode_keys(snapshot.changed, of=of_key)
    values = encode_all(snapshot.changed.values(), of=of)
    return FrozenState(
        snapshot.version,
        encode(snapshot.value, of=of),
        removed + changed,
        [b""] * len(removed) + values,
        snapshot.is_complete,
    )


def thaw(version: int, value: bytes, keyed: Mapping[bytes, bytes]) -> PartState:
    """Return what is stored of a part. Raises ValueError where it is damaged."""
    return PartState(
        version=version,
        value=decode(value),
        keyed={decode(key): decode(value) for key, value in keyed.items()},
    )
