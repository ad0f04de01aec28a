"""Processors that put what a lookup knows into dict events."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import ConfigError
from bspump.abc.lookup import Lookup
from bspump.abc.options import Options
from bspump.abc.processor import AsyncOptions, AsyncProcessor, Processor

from .enrichment import Enrichment, Fields, Missing

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Pipeline


class LookupEnricherOptions(Options, frozen=True, kw_only=True):
    """What is taken of a value, and what happens where there is none."""

    fields: Fields = ()
    missing: Missing = "keep"


class AsyncLookupEnricherOptions(AsyncOptions, frozen=True, kw_only=True):
    """As of `LookupEnricher`, and how many events wait at the same time."""

    fields: Fields = ()
    missing: Missing = "keep"


class LookupEnricher(Processor):
    """Put what a lookup knows of a key into a dict event; a new dict comes out.

    For lookups that answer at once (`get` is a plain method); see `AsyncLookupEnricher` for the
    others. The event itself is not changed. `bspump.lookup.enricher` counts `hit` and `miss`.

    Args:
        lookup: the lookup, or its Id.
        key: name of the field with the key; several make a tuple of their values. A name that
            is not a field of the event and has dots is a path into nested dicts. An event
            without it, or with `None` there, is missing a value like one whose key is unknown.
        target: name of the field for the value; empty: the value is a dict whose fields become
            fields of the event, over those of the same name.
        default: the value that events get with `missing = default`.
    """

    OptionsClass = LookupEnricherOptions
    Options: LookupEnricherOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        lookup: str | Lookup,
        key: str | Sequence[str],
        target: str = "",
        default: Any = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Lookup, self._enrichment = _prepared(self, lookup, key, target, default)
        self._find: Any = _getter(self, self.Lookup, is_async=False)
        self._key_of = self._enrichment.key_of
        self._finish = self._enrichment.finish

    def process(self, context: Context, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        key = self._key_of(event)
        return self._finish(event, None if key is None else self._find(key))


class AsyncLookupEnricher(AsyncProcessor):
    """Put what a lookup knows of a key into a dict event, where that has to be waited for.

    Its arguments and counts are those of `LookupEnricher`; how many events wait at the same
    time, for how long and how often it is tried are the options of every `AsyncProcessor`. What
    cannot be known now is an error of the event, not a missing value.
    """

    OptionsClass = AsyncLookupEnricherOptions
    Options: AsyncLookupEnricherOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        lookup: str | Lookup,
        key: str | Sequence[str],
        target: str = "",
        default: Any = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Lookup, self._enrichment = _prepared(self, lookup, key, target, default)
        self._find: Any = _getter(self, self.Lookup, is_async=True)

    async def process(self, context: Context, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        key = self._enrichment.key_of(event)
        return self._enrichment.finish(event, None if key is None else await self._find(key))


def _prepared(
    user: LookupEnricher | AsyncLookupEnricher,
    lookup: str | Lookup,
    key: str | Sequence[str],
    target: str,
    default: Any,
) -> tuple[Lookup, Enrichment]:
    """Return the lookup, and what becomes of events by the options of `user`."""
    counter = user.App.get_service("asab.MetricsService").create_counter(
        "bspump.lookup.enricher",
        {"pipeline": user.Pipeline.Id, "processor": user.Id},
        {"hit": 0, "miss": 0},
    )
    options = user.Options
    # Counted in the metric itself: that is twice as fast as asking it to.
    enrichment = Enrichment(key, target, options.fields, options.missing, default, counter.values)
    return user.App.PumpService.locate_lookup(lookup), enrichment


def _getter(user: Processor | AsyncProcessor, lookup: Lookup, *, is_async: bool) -> Any:
    """Return `get` of the lookup.

    Raises:
        ConfigError: it answers in the other way, or not by key at all.
    """
    get = getattr(lookup, "get", None)
    if get is not None and inspect.iscoroutinefunction(get) is is_async:
        return get
    kind = "has no `get`"
    if get is not None:
        kind = "answers at once" if is_async else "has to be waited for"
    name = "AsyncLookupEnricher" if not is_async else "LookupEnricher"
    raise ConfigError(
        f"{user.locate_address()}: {user.Id}: lookup {lookup.Id!r} {kind}"
        + (f"\n  what to do: use {name}" if get is not None else "")
    )
