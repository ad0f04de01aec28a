"""The join with a table that changes over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from bspump.abc.errors import ProcessingError

from .base import RIGHT, Combine, State
from .sides import Keys, Which, predicate_of
from .versioned import VersionedJoin
from .versions import Version

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class TemporalJoin(VersionedJoin):
    """Join each left event with the version of a table that was valid at its time.

    ::

        TemporalJoin(
            app, self,
            left={"kind": "order"},
            right={"kind": "price"},                    # changes of the table
            key="article",
            valid_from="from_ms",
            deleted={"op": "delete"},
        )

    A right event is a version of what is known of its key: valid from `valid_from` on, which is
    the time of the event if nothing is said, until the next one is; one that is `deleted` says that
    nothing is valid then. A left event is joined with the version that was valid at its time, of
    those that were known by then: what was changed with hindsight does not change the past. Of
    versions valid from the same time on, the one that became known last counts.

    `combine(left, right)` comes out, by default `{"left": …, "right": …}`, with the time of the
    left event, and in the order of these times, when the watermark has passed it. Where nothing was
    valid `right` is `None`; with `kind="inner"` nothing comes out.

    A left event that comes later than the watermark by more than `retention` is late; others are
    joined at once with what was valid then. A version that comes late counts for what comes out
    after it; only where it is later than `retention` and nothing is known of its key it is late,
    for it might have been deleted since.

    State: for each key the left events that wait, the version that is valid at the watermark (minus
    `retention`), and those from then on. Cut anywhere and restored, the same comes out.

    Args:
        left: the Id of the source that brings the left events; or the fields they have, with their
            values; or a function `(context, event)` that says whether it is one.
        right: the same for right events; asked for events that are not left ones.
        key: a field, several, a function `(context, event)`, or `None`; `{"left": …, "right": …}`
            where they differ.
        kind: `left` or `inner`.
        valid_from: the field of a right event, or a function of it: Unix milliseconds.
        deleted: which right events delete, said in the same way as `right`.
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
        valid_from: str | Callable[[Any], int] | None = None,
        deleted: Which | None = None,
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
        self._valid_from = valid_from
        try:
            self._is_deleted = None if deleted is None else predicate_of(deleted)
        except ValueError as error:
            raise self._wrong(f"deleted: {error}") from error

    def _is_late(self, state: State, is_left: bool, at_ms: int) -> bool:
        if is_left or not state[RIGHT]:
            return at_ms < self._watermark_ms - self._retention_ms
        return False

    def _version(self, at_ms: int, context: Context, event: Event) -> Version:
        from_ms: Any = at_ms
        if self._valid_from is not None:
            read = self._valid_from
            from_ms = read(event) if callable(read) else event[read]
            if type(from_ms) is not int:
                raise ProcessingError(
                    f"{self._address}: valid_from: expected Unix milliseconds, got {from_ms!r}"
                )
        is_deleted = self._is_deleted is not None and self._is_deleted(context, event)
        return [from_ms, at_ms, None if is_deleted else event]
