"""What the as-of join and the temporal join have in common: a left event, and what was valid."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.options import Duration

from .base import LEFT, RIGHT, Combine, Join, JoinOptions, State
from .sides import Keys, Which, copied
from .versions import FROM, VALUE, Version, insert, prune, valid_at

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class VersionedOptions(JoinOptions, frozen=True, kw_only=True):
    """How long it is remembered what was valid."""

    retention: Annotated[
        Duration,
        Meta(
            description="So much later than the watermark a left event may come and still be joined"
            " with what was valid at its time."
        ),
    ] = 0.0


class VersionedJoin(Join):
    """Joins each left event with what was valid at its time; right events are versions of that.

    Args:
        max_age_ms: versions that are valid from longer before are not wanted; `None`: they are.
    """

    OptionsClass = VersionedOptions

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        app: Application,
        pipeline: Pipeline,
        *,
        left: Which,
        right: Which,
        key: Keys,
        kind: str,
        combine: Combine | None,
        max_age_ms: int | None = None,
        id: str | None,
        config: Mapping[str, Any] | None,
    ) -> None:
        super().__init__(
            app,
            pipeline,
            left=left,
            right=right,
            key=key,
            kind=kind,
            combine=combine,
            id=id,
            config=config,
        )
        self._max_age_ms = max_age_ms
        self._retention_ms = round(self.Options.retention * 1000)

    @abstractmethod
    def _version(self, at_ms: int, context: Context, event: Event) -> Version:
        """Return the version that a right event is."""

    def _is_late(self, state: State, is_left: bool, at_ms: int) -> bool:
        return is_left and at_ms < self._watermark_ms - self._retention_ms

    def _take(
        self, state: State, is_left: bool, at_ms: int, context: Context, event: Event
    ) -> None:
        if not is_left:
            self._learn(state[RIGHT], self._version(at_ms, context, event))
        elif at_ms < self._watermark_ms:
            self._answer(state[RIGHT], at_ms, event)
        else:
            self._wait(state, at_ms, event)

    def _learn(self, versions: list[Version], version: Version) -> None:
        self._prune(versions, self._watermark_ms)
        if len(versions) >= self._max_events:
            self._make_room(versions)
        insert(versions, version)

    def _wait(self, state: State, at_ms: int, event: Event) -> None:
        lefts = state[LEFT]
        if len(lefts) >= self._max_events:
            self._answer(state[RIGHT], *self._make_room(lefts))
        if not lefts or lefts[-1][0] <= at_ms:
            lefts.append([at_ms, event])
        else:
            lefts.insert(bisect_left(lefts, [at_ms + 1]), [at_ms, event])

    def _answer(self, versions: list[Version], at_ms: int, event: Event) -> None:
        """Let a left event come out with what was valid at its time."""
        version = valid_at(versions, at_ms)
        if version is None or version[VALUE] is None or self._is_too_old(version, at_ms):
            self._pass_alone(True, at_ms, event)
        else:
            self._pass_pair(event, copied(version[VALUE]), at_ms)

    def _is_too_old(self, version: Version, at_ms: int) -> bool:
        return self._max_age_ms is not None and version[FROM] < at_ms - self._max_age_ms

    def _prune(self, versions: list[Version], watermark_ms: int) -> None:
        if versions:
            horizon_ms = watermark_ms - self._retention_ms
            oldest_ms = None if self._max_age_ms is None else horizon_ms - self._max_age_ms
            prune(versions, horizon_ms, oldest_ms)

    def _settle(self, state: State, until_ms: int) -> None:
        lefts, versions = state[LEFT], state[RIGHT]
        # Of the time of the watermark itself a version may still come.
        count = bisect_left(lefts, [until_ms])
        for at_ms, event in lefts[:count]:
            self._answer(versions, at_ms, event)
        del lefts[:count]
        if not lefts:
            self._prune(versions, until_ms)

    def _waits_until(self, state: State) -> int | None:
        lefts = state[LEFT]
        return lefts[0][0] + 1 if lefts else None

    def _due_ms(self, state: State) -> int | None:
        if state[LEFT]:
            return self._waits_until(state)
        if not state[RIGHT]:
            return None
        from_ms, known_ms, value = state[RIGHT][-1]
        due_ms: int | None = None
        if value is None:
            due_ms = max(from_ms, known_ms) + self._retention_ms
        elif self._max_age_ms is not None:
            due_ms = from_ms + self._max_age_ms + self._retention_ms + 1
        return due_ms
