"""The contract of dead letters: events that were set aside, with all that is known about why."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from .options import Options, Size


class DeadLetterOptions(Options, frozen=True, kw_only=True):
    """How many dead letters are kept."""

    max_events: Annotated[int, Meta(ge=1, description="Dead letters at the most.")] = 100_000
    max_bytes: Annotated[Size, Meta(description="Bytes of dead letters at the most.")] = (
        1_000_000_000
    )
    when_full: Annotated[
        Literal["refuse", "drop_oldest"],
        Meta(
            description="`refuse` stops the pipeline; `drop_oldest` makes room, and counts."
            " Those that were replayed go first."
        ),
    ] = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that was set aside.

    Args:
        pipeline: Id of the pipeline.
        part: Id of the part that could not deal with it.
        event: the event, or what `repr` says of it, see `is_repr`.
        context: its context; of entries that are not plain data what `repr` says.
        error_type: name of the type of the exception, with its module.
        error_text: what the exception says.
        traceback: of the exception, as text.
        at_s: when it was set aside, Unix seconds.
        attempts: how often processing it was begun.
        id: given by the store, greater than all before; 0 while it is not stored.
        is_repr: the event is not plain data, so only what `repr` says of it is stored, and it
            cannot be replayed.
        odd_context: the keys of the context of which only what `repr` says is stored.
        replayed_at_s: when it was replayed; `None` if it was not.
        is_requested: somebody asked for it to be replayed, and it was not yet since then.
    """

    pipeline: str
    part: str
    event: Any
    context: Mapping[str, Any] = field(default_factory=dict)
    error_type: str
    error_text: str
    traceback: str = ""
    at_s: float
    attempts: int = 1
    id: int = 0
    is_repr: bool = False
    odd_context: Sequence[str] = ()
    replayed_at_s: float | None = None
    is_requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterSummary:
    """A dead letter without its event, context and traceback."""

    id: int
    pipeline: str
    part: str
    error_type: str
    error_text: str
    at_s: float
    attempts: int
    size_bytes: int
    is_repr: bool
    replayed_at_s: float | None
    is_requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which dead letters are meant: those to which all of it applies; by default all of them.

    Args:
        ids: only these.
        pipeline: of this pipeline.
        part: of this part.
        error_type: with an exception of this type.
        text: what the exception says contains this, letter by letter.
        since_s: set aside at this time or later, Unix seconds.
        before_s: set aside before this time.
        is_replayed: were they replayed?
        is_requested: are they to be replayed?
    """

    ids: Collection[int] | None = None
    pipeline: str | None = None
    part: str | None = None
    error_type: str | None = None
    text: str | None = None
    since_s: float | None = None
    before_s: float | None = None
    is_replayed: bool | None = None
    is_requested: bool | None = None


class LetterStats(NamedTuple):
    """How many dead letters there are, their bytes, and how many were dropped to make room."""

    letters: int
    size_bytes: int
    dropped: int


ALL_LETTERS = LetterFilter()
"""Every dead letter."""


class DeadLetterStore(ABC):
    """Keeps dead letters; they survive the application. Errors are those of `StateStore`.

    What changes something is durable when it returns, and changes all or nothing.
    """

    @abstractmethod
    async def put(self, letters: Sequence[DeadLetter], /) -> Sequence[int]:
        """Store dead letters, each under a new id, and return the ids.

        An event that is not plain data is stored as what `repr` says of it. What becomes of
        events and contexts after the call does not matter.

        Raises:
            ExhaustedError: there is no room; nothing was stored.
        """

    @abstractmethod
    async def find(
        self,
        which: LetterFilter = ALL_LETTERS,
        /,
        *,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[LetterSummary]:
        """Return one page of dead letters, by their ids; the next one is `after` the last id."""

    @abstractmethod
    async def read(self, ids: Collection[int], /) -> Sequence[DeadLetter]:
        """Return whole dead letters in the order of their ids; unknown ids are left out."""

    @abstractmethod
    async def remove(self, which: LetterFilter, /) -> int:
        """Remove dead letters for good; return how many."""

    @abstractmethod
    async def mark_replayed(self, which: LetterFilter, /, *, at_s: float) -> int:
        """Note that dead letters were replayed at `at_s`, Unix seconds; return how many.

        They are not requested any more.
        """

    @abstractmethod
    async def request_replay(self, which: LetterFilter, /) -> int:
        """Ask the application, or the next that is started, to replay letters; return how many.

        Those of which only what `repr` says is stored are left out. Asking twice is harmless;
        of one that was replayed before, it is asked for another time.
        """

    @abstractmethod
    async def requested(self, limit: int = 100, /, *, after: int = 0) -> Sequence[DeadLetter]:
        """Return letters that are to be replayed, in the order of their ids.

        A letter stays requested until it is marked as replayed, in most cases by the epoch that
        delivers it: so remember which ones are on their way.

        Args:
            limit: letters at the most.
            after: only those with greater ids.
        """

    @abstractmethod
    async def count(self, which: LetterFilter = ALL_LETTERS, /) -> int:
        """Return how many there are."""

    @abstractmethod
    async def stats(self) -> LetterStats:
        """Return how full it is, and how many were dropped to make room since it was made.

        Those that had been replayed are not counted as dropped.
        """
