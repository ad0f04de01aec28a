"""What every store of dead letters promises."""

# ruff: noqa: S101 - a contract asserts

from __future__ import annotations

from typing import Any

from bspump.abc.dead_letters import ALL_LETTERS, DeadLetter, LetterFilter
from bspump.abc.errors import ExhaustedError
from bspump.abc.state import Epoch, Snapshot

from .base import Contract
from .state_target import PLAIN, StateStoreTarget, epoch_of, exactly


class _Odd:
    def __repr__(self) -> str:
        return "<odd>"


class _Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def letter_of(number: int, **changes: Any) -> DeadLetter:
    """Return a dead letter."""
    facts: dict[str, Any] = {
        "pipeline": "Orders",
        "part": "Parse",
        "event": {"number": number},
        "context": {"offset": number},
        "error_type": "builtins.ValueError",
        "error_text": f"event {number} is wrong",
        "traceback": "Traceback (most recent call last): …",
        "at_s": 1000.0 + number,
    }
    return DeadLetter(**facts | changes)


class DeadLetterContract(Contract[StateStoreTarget]):
    """What every store promises of dead letters. Subclass it and provide the fixture `target`."""

    async def test_a_letter_comes_back_whole_after_a_restart(
        self, target: StateStoreTarget
    ) -> None:
        letter = letter_of(1, event=PLAIN, context={"plain": PLAIN}, attempts=3)
        async with target.opened() as store:
            (id_,) = await store.dead_letters.put([letter])
        async with target.opened() as store:
            (found,) = await store.dead_letters.read([id_])
            assert exactly(found.event) == exactly(PLAIN)
            assert exactly(found.context) == exactly({"plain": PLAIN})
            for name in ("pipeline", "part", "error_type", "error_text", "traceback", "at_s"):
                assert getattr(found, name) == getattr(letter, name)
            assert (found.id, found.attempts, found.is_repr) == (id_, 3, False)
            assert (list(found.odd_context), found.replayed_at_s) == ([], None)

    async def test_of_what_is_not_plain_the_repr_is_kept(self, target: StateStoreTarget) -> None:
        deep: Any = []
        for _ in range(5000):
            deep = [deep]
        async with target.opened() as store:
            letters = [
                letter_of(1, event=_Odd(), context={"fine": 1, "odd": [_Odd()]}),
                letter_of(2, event=[_Unspeakable()]),
                letter_of(3, event="\ud800", error_text="\ud800", traceback="\ud800"),
                letter_of(4, event={1: deep}),
                letter_of(5, event=_long()),
            ]
            ids = await store.dead_letters.put(letters)
            odd, unspeakable, surrogate, nested, long = await store.dead_letters.read(ids)
            assert (odd.event, odd.is_repr) == ("<odd>", True)
            assert odd.context == {"fine": 1, "odd": "[<odd>]"}
            assert list(odd.odd_context) == ["odd"]
            assert "repr raises RuntimeError" in unspeakable.event
            assert (surrogate.event, surrogate.is_repr) == ("\ud800", False)
            assert nested.is_repr
            assert (long.is_repr, len(long.event)) == (True, 64 * 1024 + 1)

    async def test_pages_follow_each_other(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            box = store.dead_letters
            ids = list(await box.put([letter_of(n) for n in range(10)]))
            assert ids == sorted(set(ids))
            for is_reversed in (False, True):
                pages, after = [], None
                while page := await box.find(after=after, limit=3, newest_first=is_reversed):
                    pages += [each.id for each in page]
                    after = page[-1].id
                assert pages == sorted(ids, reverse=is_reversed)
            first = (await box.find(limit=1))[0]
            assert (first.pipeline, first.part) == ("Orders", "Parse")
            assert first.error_text == "event 0 is wrong"
            assert first.size_bytes > 100

    async def test_filters_say_which_are_meant(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            box = store.dead_letters
            a, b, c = await box.put(
                [
                    letter_of(1, pipeline="A"),
                    letter_of(2, pipeline="B", part="Sink", error_text="50%_off"),
                    letter_of(3, pipeline="B", error_type="builtins.KeyError"),
                ]
            )
            await box.mark_replayed(LetterFilter(ids=[a]), at_s=5.0)
            cases: list[tuple[dict[str, Any], list[int]]] = [
                ({}, [a, b, c]),
                ({"ids": [c, a, 999]}, [a, c]),
                ({"ids": []}, []),
                ({"pipeline": "B"}, [b, c]),
                ({"pipeline": "B", "part": "Sink"}, [b]),
                ({"error_type": "builtins.KeyError"}, [c]),
                ({"text": "%_"}, [b]),
                ({"text": "EVENT"}, []),
                ({"since_s": 1002.0}, [b, c]),
                ({"since_s": 1002.0, "before_s": 1003.0}, [b]),
                ({"is_replayed": True}, [a]),
                ({"is_replayed": False}, [b, c]),
            ]
            for facts, expected in cases:
                which = LetterFilter(**facts)
                assert [each.id for each in await box.find(which)] == expected, facts
                assert await box.count(which) == len(expected)

    async def test_removed_letters_are_gone(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            box = store.dead_letters
            ids = await box.put([letter_of(n, part=f"P{n % 2}") for n in range(6)])
            assert await box.remove(LetterFilter(part="P1")) == 3
            assert await box.remove(LetterFilter(ids=[ids[0], ids[1], 999])) == 1
            assert await box.read(ids[:2]) == []
            stats = await box.stats()
            assert (stats.letters, stats.dropped) == (2, 0)
            assert await box.remove(ALL_LETTERS) == 2
            assert tuple(await box.stats()) == (0, 0, 0)
        async with target.opened() as store:
            (id_,) = await store.dead_letters.put([letter_of(7)])
            assert id_ > max(ids)

    async def test_a_replayed_letter_is_marked(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            box = store.dead_letters
            ids = await box.put([letter_of(n) for n in range(3)])
            assert await box.mark_replayed(LetterFilter(ids=ids[:2]), at_s=77.5) == 2
        async with target.opened() as store:
            found = await store.dead_letters.read(ids)
            assert [each.replayed_at_s for each in found] == [77.5, 77.5, None]

    async def test_letters_are_requested_until_they_are_replayed(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened() as store:
            box = store.dead_letters
            ids = list(await box.put([letter_of(n, part=f"P{n % 2}") for n in range(6)]))
            (odd,) = await box.put([letter_of(7, event=_Odd(), part="P1")])
            assert await box.requested() == []
            # The one that is not plain cannot be replayed.
            assert await box.request_replay(LetterFilter(part="P1")) == 3
            assert await box.request_replay(LetterFilter(ids=[ids[0], ids[1], odd, 999])) == 2
        async with target.opened() as store:
            box = store.dead_letters
            asked = [ids[0], ids[1], ids[3], ids[5]]
            found = await box.requested()
            assert [each.id for each in found] == asked
            assert found[1].event == {"number": 1}
            assert found[1].is_requested
            assert [each.id for each in await box.requested(2)] == asked[:2]
            assert [each.id for each in await box.requested(2, after=ids[1])] == asked[2:]
            assert [each.id for each in await box.find(LetterFilter(is_requested=True))] == asked
            assert await box.count(LetterFilter(is_requested=False)) == 3
            await box.mark_replayed(LetterFilter(ids=[ids[0]]), at_s=1.0)
            await box.remove(LetterFilter(ids=[ids[1]]))
            await store.commit(Epoch(group="G", number=1, at_s=5.5, replayed=[ids[3], 999]))
            assert [each.id for each in await box.requested()] == [ids[5]]
            (marked,) = await box.read([ids[3]])
            assert (marked.is_requested, marked.replayed_at_s) == (False, 5.5)
            assert await box.request_replay(LetterFilter(ids=[ids[3]])) == 1
            assert [each.id for each in await box.requested()] == [ids[3], ids[5]]

    async def test_a_full_store_refuses_and_keeps_what_it_has(
        self, target: StateStoreTarget
    ) -> None:
        async with target.opened(max_events=3) as store:
            box = store.dead_letters
            await box.put([letter_of(1), letter_of(2)])
            await _is_exhausted(box.put([letter_of(3), letter_of(4)]))
            full = Epoch(group="G", number=1, at_s=0, letters=[letter_of(3), letter_of(4)])
            await _is_exhausted(store.commit(full))
            assert await store.load("G") is None
            assert await box.count() == 2
            await box.put([letter_of(5)])
            await box.remove(LetterFilter(text="event 1"))
            await box.put([letter_of(6)])
            found = await box.find()
            assert [each.error_text[6] for each in found] == ["2", "5", "6"]

    async def test_a_full_store_drops_the_oldest_and_counts(self, target: StateStoreTarget) -> None:
        async with target.opened(max_events=3, when_full="drop_oldest") as store:
            box = store.dead_letters
            ids = list(await box.put([letter_of(n) for n in range(3)]))
            await box.mark_replayed(LetterFilter(ids=[ids[1]]), at_s=1.0)
            ids += await box.put([letter_of(3)])
            # The one that was replayed went first, and nobody misses it.
            assert [each.id for each in await box.find()] == [ids[0], ids[2], ids[3]]
            assert (await box.stats()).dropped == 0
            ids += await box.put([letter_of(4), letter_of(5)])
            assert [each.id for each in await box.find()] == ids[-3:]
        async with target.opened(max_events=3, when_full="drop_oldest") as store:
            assert tuple(await store.dead_letters.stats())[::2] == (3, 2)

    async def test_bytes_are_limited_too(self, target: StateStoreTarget) -> None:
        async with target.opened(max_bytes=10_000, when_full="drop_oldest") as store:
            box = store.dead_letters
            for n in range(20):
                await box.put([letter_of(n, event="x" * 1000)])
                stats = await box.stats()
                assert stats.size_bytes <= 10_000
                assert stats.letters + stats.dropped == n + 1
            assert stats.letters >= 5
        async with target.opened(max_bytes=10_000) as store:
            await _is_exhausted(store.dead_letters.put([letter_of(1, event="x" * 10_000)]))

    async def test_letters_of_an_epoch_are_stored_with_it(self, target: StateStoreTarget) -> None:
        async with target.opened() as store:
            box = store.dead_letters
            epoch = Epoch(group="G", number=1, at_s=0, letters=[letter_of(1)])
            await store.commit(epoch)
            assert await box.count() == 1
            try:
                await store.commit(epoch)
            except ValueError:
                assert await box.count() == 1
            await store.commit(epoch_of(store, 2, P=Snapshot()))
            assert await box.count() == 1


def _long() -> Any:
    return type("Long", (), {"__repr__": lambda self: "x" * 1_000_000})()


async def _is_exhausted(call: Any) -> None:
    try:
        await call
    except ExhaustedError as error:
        assert "what to do" in str(error)  # noqa: PT017 - pytest is optional
    else:
        raise AssertionError("it was taken")
