"""Fewer events: a share of the keys, or every so many-th event of each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta, field

from bspump.abc.options import Options
from bspump.abc.processor import Processor

from .operator import KeyedOperator, KeyOf, KeyOptions, key_function, with_key

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_SPAN = 1 << 63


class ShareOptions(Options, frozen=True, kw_only=True):
    """How many keys pass, and which."""

    key: Annotated[
        list[str],
        Meta(description="Fields by which events belong together; none: all of them do."),
    ] = field(default_factory=list)
    share: Annotated[float, Meta(ge=0, le=1, description="The share of keys that pass.")] = 0.1
    salt: Annotated[
        str, Meta(description="Another one chooses other keys; the same one always the same.")
    ] = ""


class ShareSampler(Processor):
    """Let all events of a share of the keys go on, and drop all events of the others.

    Which keys that are depends on the key and the `salt` alone: it is the same in every process,
    after every restart, and in other pipelines. A key that passes at one share passes at every
    greater one. Nothing is remembered.

    Args:
        key: a field, several, or a function `(context, event)` that returns plain data.
    """

    OptionsClass = ShareOptions
    Options: ShareOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        key: KeyOf = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, with_key(config, key))
        self._key_of = key if callable(key) else key_function(self.Options.key)
        self._limit = round(self.Options.share * _SPAN)
        self._salt = self.Options.salt

    def process(self, context: Context, event: Event, /) -> Event | None:
        key = self._key_of(context, event)
        return event if lot(self._salt, key) < self._limit else None


class NthOptions(KeyOptions, frozen=True, kw_only=True):
    """How few events pass."""

    every: Annotated[int, Meta(ge=1, description="One event of so many passes.")] = 10


class NthSampler(KeyedOperator):
    """Let the first event of each key go on, and then every `every`-th; drop the others.

    State: one number per key, until `ttl` after its last event; then the next one is a first one.
    If `max_keys` are remembered, all events of other keys go on (counted as `unremembered`).
    """

    OptionsClass = NthOptions
    Options: NthOptions

    _counted: ClassVar[tuple[str, ...]] = ("dropped", "unremembered")
    _may_expire: ClassVar[bool] = True

    def work(self, state: list[int], context: Context, event: Event, at_ms: int, /) -> Any:
        if not state:
            state.append(0)
        left = state[0]
        state[0] = (left or self.Options.every) - 1
        if not left:
            return event
        self._counter.add("dropped", 1)
        return None

    def without_room(self, context: Context, event: Event, /) -> Event:
        self._counter.add("unremembered", 1)
        return event


def lot(salt: str, key: Any) -> int:
    """Return what is drawn for a key, less than 2^63: always the same, and as if by chance.

    >>> lot("", 1) == lot("", 1.0) == lot("", True) != lot("", "1")
    True
    """
    if isinstance(key, bool) or (isinstance(key, float) and key.is_integer()):
        key = int(key)
    text = f"{salt}\0{key!r}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1
