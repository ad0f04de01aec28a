"""The join with the newest before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from .base import Combine
from .sides import Distance, Keys, Which, distance_ms
from .versioned import VersionedJoin
from .versions import Version

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class AsOfJoin(VersionedJoin):
    """Join each left event with the newest right event of its key, at or before its time.

    ::

        AsOfJoin(
            app, self,
            left={"kind": "flight"},
            right={"kind": "weather"},
            key="airport",
            max_age="3h",
            combine=with_weather,                       # (flight, weather or None)
        )

    For each left event `combine(left, right)` comes out, by default `{"left": …, "right": …}`, with
    the time of the left event, and in the order of these times. It waits until the watermark has
    passed its time: so it does not matter in which order events come, as long as that is within
    the `lateness` of the `EventTime`. Of right events of the same time the last one counts.

    Where there is none, or only one that is older than `max_age`, `right` is `None`; with
    `kind="inner"` nothing comes out.

    A left event that comes later than the watermark by more than `retention` is late; others are
    joined at once. A right event that comes late counts for what comes out after it.

    State: for each key the left events that wait, the newest right event, and those since the
    watermark (minus `retention`). Without `max_age` the newest is kept for ever. Cut anywhere and
    restored, the same comes out.

    Args:
        left: the Id of the source that brings the left events; or the fields they have, with their
            values; or a function `(context, event)` that says whether it is one.
        right: the same for right events; asked for events that are not left ones.
        key: a field, several, a function `(context, event)`, or `None`; `{"left": …, "right": …}`
            where they differ.
        kind: `left` or `inner`.
        max_age: how old the right event may be, in seconds or as `"3h"`; `None`: any age.
        combine: instead of the method.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        app: Application,
        pipeline: Pipeline,
        *,
        left: Which,
        right: Which,
        key: Keys,
        kind: Literal["left", "inner"] = "left",
        max_age: Distance | None = None,
        combine: Combine | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
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
        if max_age is not None:
            try:
                self._max_age_ms = distance_ms(max_age)
            except ValueError as error:
                raise self._wrong(f"max_age: {error}") from error
            if self._max_age_ms < 0:
                raise self._wrong(f"max_age: expected 0 or more, got {max_age!r}")

    def _version(self, at_ms: int, context: Context, event: Event) -> Version:
        return [at_ms, at_ms, event]
