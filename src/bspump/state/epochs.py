"""Epochs in the form in which stores keep them: everything that can be refused has been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from bspump.abc.state import Epoch, FrozenState, Staged

from .letter_records import LetterRecord, record
from .plain import encode

T = TypeVar("T")


class EncodedEpoch(NamedTuple):
    """An epoch as bytes and columns; see `Epoch`. It shares nothing with the program."""

    group: str
    number: int
    at_s: float
    fingerprint: str
    positions: Mapping[str, bytes]
    tokens: Mapping[str, bytes]
    states: Mapping[str, FrozenState]
    letters: Sequence[LetterRecord]
    replayed: Sequence[int]
    deciders: Sequence[str]

    def staged(self) -> Staged:
        """Return what is told of it while it is staged."""
        addresses = {*self.positions, *self.tokens, *self.states, *self.deciders}
        return Staged(self.number, self.deciders, sorted(addresses))

    def moved(self, address: str, to_address: str) -> EncodedEpoch:
        """Return it with everything of `address` under `to_address`."""
        return self._replace(
            positions=_moved(self.positions, address, to_address),
            tokens=_moved(self.tokens, address, to_address),
            states=_moved(self.states, address, to_address),
            deciders=[to_address if each == address else each for each in self.deciders],
        )

    def without(self, address: str) -> EncodedEpoch | None:
        """Return it without everything of `address`; `None` if nobody decides about it then."""
        deciders = [each for each in self.deciders if each != address]
        if self.deciders and not deciders:
            return None
        return self._replace(
            positions=_without(self.positions, address),
            tokens=_without(self.tokens, address),
            states=_without(self.states, address),
            deciders=deciders,
        )


def encoded(epoch: Epoch) -> EncodedEpoch:
    """Return an epoch in the form in which it is stored.

    Raises:
        ConfigError: something in it is not plain data.
    """
    of = f"group {epoch.group!r}"
    return EncodedEpoch(
        group=epoch.group,
        number=epoch.number,
        at_s=epoch.at_s,
        fingerprint=epoch.fingerprint,
        positions={
            source: encode(dict(partitions), of=f"{of}, positions of {source!r}")
            for source, partitions in epoch.positions.items()
        },
        tokens={
            sink: encode(token, of=f"{of}, token of {sink!r}")
            for sink, token in epoch.tokens.items()
        },
        states=dict(epoch.states),
        letters=[record(letter) for letter in epoch.letters],
        replayed=sorted(epoch.replayed),
        deciders=list(epoch.deciders),
    )


def check_number(epoch: EncodedEpoch, last: int) -> None:
    """Raise ValueError if the number of an epoch is not greater than the last one."""
    if epoch.number <= last:
        raise ValueError(
            f"group {epoch.group!r}: epoch {epoch.number} comes after {last}, so it must be greater"
        )


def already_staged(group: str, number: int) -> ValueError:
    """Return the error that says that an epoch is waiting to be settled."""
    return ValueError(
        f"group {group!r}: epoch {number} is staged; it has to be promoted or rolled back first"
    )


def not_staged(group: str, number: int, staged: int | None) -> ValueError:
    """Return the error that says that it is not this epoch that is staged."""
    found = "nothing is" if staged is None else f"epoch {staged} is"
    return ValueError(f"group {group!r}: epoch {number} is not staged, {found}")


def _moved(mapping: Mapping[str, T], address: str, to_address: str) -> dict[str, T]:
    return {to_address if key == address else key: value for key, value in mapping.items()}


def _without(mapping: Mapping[str, T], address: str) -> dict[str, T]:
    return {key: value for key, value in mapping.items() if key != address}
