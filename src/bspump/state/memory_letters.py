"""Dead letters in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bspump.abc.dead_letters import (
    ALL_LETTERS,
    DeadLetter,
    DeadLetterOptions,
    DeadLetterStore,
    LetterFilter,
    LetterStats,
    LetterSummary,
)

from .letter_records import LetterRecord, letter, no_room, record, summary


class MemoryDeadLetters(DeadLetterStore):
    """Keeps dead letters as long as the object lives."""

    def __init__(self, limits: DeadLetterOptions) -> None:
        self._limits = limits
        self._letters: dict[int, LetterRecord] = {}
        self._last_id = self._dropped = 0

    async def put(self, letters: Sequence[DeadLetter], /) -> Sequence[int]:
        records = [record(each) for each in letters]
        self.check_room(records)
        return self.insert(records)

    def check_room(self, records: Sequence[LetterRecord]) -> None:
        """Raise ExhaustedError if there is no room for `records`, and none may be made."""
        count = len(self._letters) + len(records)
        size_bytes = self._size_bytes() + sum(each.size_bytes for each in records)
        is_full = count > self._limits.max_events or size_bytes > self._limits.max_bytes
        if records and is_full and self._limits.when_full == "refuse":
            raise no_room(self._limits, count, size_bytes)

    def insert(self, records: Sequence[LetterRecord]) -> list[int]:
        """Store letters, make room where they may be dropped for it; return their ids."""
        ids = [self._last_id + 1 + i for i in range(len(records))]
        self._last_id += len(records)
        self._letters.update(zip(ids, records, strict=True))
        if self._limits.when_full == "refuse":
            return ids
        size_bytes = self._size_bytes()
        oldest = sorted(self._letters, key=lambda id_: (self._is_unseen(id_), id_))
        for id_ in oldest:
            has_room = len(self._letters) <= self._limits.max_events
            if has_room and size_bytes <= self._limits.max_bytes:
                break
            self._dropped += self._is_unseen(id_)
            size_bytes -= self._letters.pop(id_).size_bytes
        return ids

    async def find(
        self,
        which: LetterFilter = ALL_LETTERS,
        /,
        *,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[LetterSummary]:
        ids = sorted(self._matching(which), reverse=newest_first)
        if after is not None:
            ids = [id_ for id_ in ids if (id_ < after if newest_first else id_ > after)]
        return [summary(id_, self._letters[id_]) for id_ in ids[:limit]]

    async def read(self, ids: Collection[int], /) -> Sequence[DeadLetter]:
        found = sorted(set(ids) & self._letters.keys())
        return [letter(id_, self._letters[id_]) for id_ in found]

    async def remove(self, which: LetterFilter, /) -> int:
        return len([self._letters.pop(id_) for id_ in self._matching(which)])

    async def mark_replayed(self, which: LetterFilter, /, *, at_s: float) -> int:
        return self.mark(self._matching(which), at_s)

    def mark(self, ids: Collection[int], at_s: float) -> int:
        """Note that letters were replayed; unknown ids are ignored."""
        known = set(ids) & self._letters.keys()
        for id_ in known:
            found = self._letters[id_]
            self._letters[id_] = found._replace(replayed_at_s=at_s, is_requested=False)
        return len(known)

    async def request_replay(self, which: LetterFilter, /) -> int:
        ids = [id_ for id_ in self._matching(which) if not self._letters[id_].is_repr]
        for id_ in ids:
            self._letters[id_] = self._letters[id_]._replace(is_requested=True)
        return len(ids)

    async def requested(self, limit: int = 100, /, *, after: int = 0) -> Sequence[DeadLetter]:
        asked = LetterFilter(is_requested=True)
        ids = sorted(id_ for id_ in self._matching(asked) if id_ > after)
        return [letter(id_, self._letters[id_]) for id_ in ids[:limit]]

    async def count(self, which: LetterFilter = ALL_LETTERS, /) -> int:
        return len(self._matching(which))

    async def stats(self) -> LetterStats:
        return LetterStats(len(self._letters), self._size_bytes(), self._dropped)

    def _matching(self, which: LetterFilter) -> list[int]:
        return [id_ for id_, each in self._letters.items() if _matches(which, id_, each)]

    def _is_unseen(self, id_: int) -> bool:
        return self._letters[id_].replayed_at_s is None

    def _size_bytes(self) -> int:
        return sum(each.size_bytes for each in self._letters.values())


def _matches(which: LetterFilter, id_: int, each: LetterRecord) -> bool:
    return (
        (which.ids is None or id_ in which.ids)
        and which.pipeline in (None, each.pipeline)
        and which.part in (None, each.part)
        and which.error_type in (None, each.error_type)
        and (which.text is None or which.text in each.error_text)
        and (which.since_s is None or each.at_s >= which.since_s)
        and (which.before_s is None or each.at_s < which.before_s)
        and which.is_replayed in (None, each.replayed_at_s is not None)
        and which.is_requested in (None, each.is_requested)
    )
