"""Hash chains: each event names the one before by its hash, so none can be changed or left out."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from bspump.abc.errors import RejectedError, UnknownNameError
from bspump.abc.options import Options
from bspump.abc.processor import Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_SALT_KEY = "_s"
_ALGORITHMS = sorted(name for name in hashlib.algorithms_guaranteed if not name.startswith("shake"))


class IntegrityOptions(Options, frozen=True, kw_only=True):
    """How events are hashed, and where the hashes stand."""

    algorithm: Annotated[str, Meta(description="Hash algorithm, in upper or lower case.")] = (
        "SHA256"
    )
    hash_key: Annotated[str, Meta(description="The field with the event's own hash.")] = "_id"
    prev_hash_key: Annotated[
        str, Meta(description="The field with the hash of the event before.")
    ] = "_prev_id"
    salt_length: Annotated[
        int, Meta(ge=0, le=64, description="Random characters in the field `_s`; 0: no salt.")
    ] = 3


class _Link(Processor):
    """Computes the hash of one event of a chain."""

    OptionsClass = IntegrityOptions
    Options: IntegrityOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.PreviousHash: str | None = None
        self._algorithm = self.Options.algorithm.lower()
        if self._algorithm not in _ALGORITHMS:
            raise UnknownNameError(
                "algorithm", self._algorithm, used_by=self.locate_address(), known=_ALGORITHMS
            )
        self._encode = msgspec.json.Encoder(order="sorted").encode

    def _hash(self, event: Mapping[Any, Any]) -> str:
        try:
            text = self._encode(event)
        except (TypeError, ValueError, RecursionError) as error:
            raise RejectedError(
                f"{self.Id}: expected values that JSON can hold: {error}"
            ) from error
        return hashlib.new(self._algorithm, text, usedforsecurity=False).hexdigest()


class IntegrityEnricher(_Link):
    """Make a hash chain of dict events; new dicts come out.

    Each gets a salt (`_s`), the hash of the event before it (`_prev_id`), and its own hash
    (`_id`): that of its JSON, fields in order of their names and without spaces, all other added
    fields included. Bytes count as their base64, times as ISO 8601. The first event of a run has
    no `_prev_id`, unless `self.PreviousHash` was set to go on with an older chain. Fields of
    these names that an event brings along are replaced.
    """

    def process(self, context: Context, event: Event) -> dict[Any, Any]:
        options = self.Options
        linked = dict(event)
        linked.pop(options.hash_key, None)
        linked.pop(options.prev_hash_key, None)
        if options.salt_length:
            linked[_SALT_KEY] = secrets.token_hex((options.salt_length + 1) // 2)[
                : options.salt_length
            ]
        if self.PreviousHash is not None:
            linked[options.prev_hash_key] = self.PreviousHash
        # The chain moves on only once the hash is there, so a refused event leaves no gap.
        self.PreviousHash = linked[options.hash_key] = self._hash(linked)
        return linked


class IntegrityChecker(_Link):
    """Pass dict events that continue their hash chain, refuse all others: `RejectedError`.

    The first event of a run may be any link of a chain. After an event whose own hash is wrong
    the chain is expected to go on behind the last good one; after a gap it goes on behind the
    event that showed it.
    """

    def process(self, context: Context, event: Event) -> Event:
        options = self.Options
        link = {key: value for key, value in event.items() if key != options.hash_key}
        found, expected = event.get(options.hash_key), self._hash(link)
        if found != expected:
            raise RejectedError(
                f"{self.Id}: the event was changed: expected {options.hash_key}={expected!r}, "
                f"got {found!r}"
            )
        before, self.PreviousHash = self.PreviousHash, expected
        if before is not None and event.get(options.prev_hash_key) != before:
            raise RejectedError(
                f"{self.Id}: events are missing before this one: expected "
                f"{options.prev_hash_key}={before!r}, got {event.get(options.prev_hash_key)!r}"
            )
        return event
