"""What every lookup promises."""

# ruff: noqa: S101 - a contract asserts

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bspump.abc.errors import RejectedError, TransferError, TransientError
from bspump.abc.lookup import AsyncLookup, Lookup, MappingLookup
from bspump.testing.faults import cancel_everywhere
from bspump.testing.harness import Harness
from bspump.testing.memory_lookups import MemoryProvider

from .base import Contract, awaited, does_not_apply


@dataclass(frozen=True, kw_only=True)
class LookupTarget:
    """A lookup to be tested, and what to test it with.

    Args:
        make: makes the lookup with its content; may be a coroutine function that loads it.
        content: what it then holds, or in case of an asynchronous one some of it.
        missing: a key that it does not have.
        other: another content as `deserialize` takes it, and as a mapping; `None` for a lookup
            that is not loaded as a whole.
        broken: what `deserialize` must reject.
    """

    make: Callable[[Any], Lookup | Awaitable[Lookup]]
    content: Mapping[Any, Any]
    missing: Any = "a key that is missing"
    other: tuple[bytes, Mapping[Any, Any]] | None = None
    broken: Sequence[bytes] = ()


class LookupContract(Contract[LookupTarget]):
    """What every lookup promises. Subclass it and provide the fixture `target`."""

    async def test_what_it_holds_is_found(self, target: LookupTarget) -> None:
        async with _lookup(target) as lookup:
            for key, value in target.content.items():
                assert await _ask(lookup, key) == value

    async def test_a_missing_key_is_no_surprise(self, target: LookupTarget) -> None:
        async with _lookup(target) as lookup:
            assert await _ask(lookup, target.missing) is None
            if isinstance(lookup, MappingLookup):
                assert target.missing not in lookup
                default = object()
                assert lookup.get(target.missing, default) is default
                _check_raises(KeyError, lambda: lookup[target.missing])

    async def test_it_is_a_mapping_through_and_through(self, target: LookupTarget) -> None:
        async with _mapping(target) as lookup:
            assert len(lookup) == len(target.content)
            assert set(lookup) == set(target.content)
            assert dict(lookup) == dict(target.content)
            assert all(key in lookup for key in target.content)

    async def test_it_has_an_identity_whatever_it_holds(self, target: LookupTarget) -> None:
        async with _lookup(target) as lookup:
            assert lookup == lookup  # noqa: PLR0124 - it is what is tested
            assert len({lookup, await awaited(target.make(lookup.App))}) == 2

    async def test_its_content_survives_the_round_trip(self, target: LookupTarget) -> None:
        async with _loadable(target) as (lookup, _, _):
            before = await _content(lookup, target.content)
            try:
                data = lookup.serialize()
            except NotImplementedError:
                does_not_apply("its content cannot be had as a whole")
            lookup.deserialize(data)
            assert await _content(lookup, target.content) == before

    async def test_another_content_replaces_all_of_it(self, target: LookupTarget) -> None:
        async with _loadable(target) as (lookup, data, content):
            lookup.deserialize(data)
            await _check_holds(lookup, content, target.content)

    async def test_broken_data_is_rejected_and_changes_nothing(self, target: LookupTarget) -> None:
        if not target.broken:
            does_not_apply("it takes whatever it is given")
        async with _loadable(target) as (lookup, _, _):
            for data in target.broken:
                _check_raises(RejectedError, functools.partial(lookup.deserialize, data))
                assert await _content(lookup, target.content) == dict(target.content)

    async def test_who_reads_is_not_disturbed_by_a_reload(self, target: LookupTarget) -> None:
        async with _loadable(target) as (lookup, data, _):
            if not isinstance(lookup, MappingLookup):
                does_not_apply("nobody can iterate over it")
            keys = iter(lookup)
            first = next(keys)
            lookup.deserialize(data)
            rest = list(keys)
            assert first not in rest

    async def test_a_load_takes_over_what_is_new_and_says_so(self, target: LookupTarget) -> None:
        async with _loadable(target) as (lookup, data, content):
            changes = _Changes(lookup)
            lookup.Provider = MemoryProvider(lookup, data)
            assert await lookup.load() is True
            await _check_holds(lookup, content, target.content)
            assert changes.count == 1

    async def test_a_load_that_finds_nothing_new_changes_nothing(
        self, target: LookupTarget
    ) -> None:
        async with _loadable(target) as (lookup, _, _):
            changes = _Changes(lookup)
            lookup.Provider = MemoryProvider(lookup, None)
            assert await lookup.load() is False
            assert await _content(lookup, target.content) == dict(target.content)
            assert changes.count == 0

    async def test_a_load_that_fails_keeps_what_there_was_and_says_so(
        self, target: LookupTarget
    ) -> None:
        async with _loadable(target) as (lookup, data, _):
            changes = _Changes(lookup)
            lookup.Provider = provider = MemoryProvider(lookup, data)
            provider.Error = TransientError("not now")
            await _check_load_fails(lookup)
            assert await _content(lookup, target.content) == dict(target.content)
            assert changes.count == 0

    async def test_a_load_of_broken_data_keeps_what_there_was_and_says_so(
        self, target: LookupTarget
    ) -> None:
        if not target.broken:
            does_not_apply("it takes whatever it is given")
        async with _loadable(target) as (lookup, _, _):
            changes = _Changes(lookup)
            for data in target.broken:
                lookup.Provider = MemoryProvider(lookup, data)
                await _check_load_fails(lookup)
                assert await _content(lookup, target.content) == dict(target.content)
            assert changes.count == 0

    async def test_a_cancelled_question_leaves_it_usable(self, target: LookupTarget) -> None:
        async with _lookup(target) as lookup:
            if not isinstance(lookup, AsyncLookup):
                does_not_apply("it does not keep anybody waiting")
            key, value = next(iter(target.content.items()))

            async def check() -> None:
                assert await lookup.get(key) == value

            await cancel_everywhere(lambda: _get(lookup, key), check)

    async def test_many_questions_at_once_get_their_own_answers(self, target: LookupTarget) -> None:
        async with _lookup(target) as lookup:
            keys = [*target.content, target.missing] * 10
            answers = await asyncio.gather(*(_ask(lookup, key) for key in keys))
            assert answers == [target.content.get(key) for key in keys]


@asynccontextmanager
async def _lookup(target: LookupTarget) -> AsyncIterator[Lookup]:
    """Yield the lookup in an application that runs."""
    async with Harness() as harness:
        lookup = await awaited(target.make(harness.app))
        harness.app.Config.raise_if_wrong()
        yield lookup


@asynccontextmanager
async def _mapping(target: LookupTarget) -> AsyncIterator[MappingLookup]:
    async with _lookup(target) as lookup:
        if not isinstance(lookup, MappingLookup):
            does_not_apply("it is not a mapping")
        yield lookup


@asynccontextmanager
async def _loadable(
    target: LookupTarget,
) -> AsyncIterator[tuple[Lookup, bytes, Mapping[Any, Any]]]:
    if target.other is None:
        does_not_apply("it is not loaded as a whole")
    async with _lookup(target) as lookup:
        yield lookup, *target.other


async def _ask(lookup: Lookup, key: Any) -> Any:
    """Return what the lookup knows of `key`, `None` for nothing."""
    asked: Any = lookup
    return await awaited(asked.get(key))


async def _get(lookup: AsyncLookup, key: Any) -> Any:
    return await lookup.get(key)


async def _content(lookup: Lookup, keys: Mapping[Any, Any]) -> dict[Any, Any]:
    if isinstance(lookup, MappingLookup):
        return dict(lookup)
    return {key: await _ask(lookup, key) for key in keys}


async def _check_holds(
    lookup: Lookup, content: Mapping[Any, Any], before: Mapping[Any, Any]
) -> None:
    assert await _content(lookup, content) == dict(content)
    for key in before.keys() - content.keys():
        assert await _ask(lookup, key) is None, f"{key!r} should be gone"


def _check_raises(expected: type[Exception], call: Callable[[], Any]) -> None:
    try:
        found = call()
    except expected:
        return
    raise AssertionError(f"expected {expected.__name__}, got {found!r}")


async def _check_load_fails(lookup: Lookup) -> None:
    try:
        found = await lookup.load()
    except TransferError:
        return
    raise AssertionError(f"the load failed, but load() returned {found!r}")


class _Changes:
    """Counts messages; a subscriber is held by weak reference, so somebody must keep it."""

    def __init__(self, lookup: Lookup) -> None:
        self.count = 0
        lookup.PubSub.subscribe("bspump.Lookup.changed!", self._note)

    def _note(self, _message: str, *_: Any, **__: Any) -> None:
        self.count += 1
