"""Only what has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta, field

from .operator import KeyedOperator, KeyOf, KeyOptions, own

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class ChangeDetectorOptions(KeyOptions, frozen=True, kw_only=True):
    """What is watched, and which changes count."""

    fields: Annotated[
        list[str], Meta(description="Fields that are watched; none: all but the key.")
    ] = field(default_factory=list)
    ignore: Annotated[
        list[str], Meta(description="Fields that are not, where all are; a time, say.")
    ] = field(default_factory=list)
    min_change: Annotated[
        dict[str, float],
        Meta(
            description="By field, the least change of a number that counts; smaller ones add up"
            " until they do."
        ),
    ] = field(default_factory=dict)
    min_change_ratio: Annotated[
        dict[str, float],
        Meta(description="By field, the same as a share of the value reported last: 0.05."),
    ] = field(default_factory=dict)
    first: Annotated[
        bool, Meta(description="The first event of a key goes on; else it is only remembered.")
    ] = True
    into: Annotated[
        str, Meta(description="The field that says what has changed; empty: it is not said.")
    ] = "changes"


class ChangeDetector(KeyedOperator):
    """Let an event go on only if watched fields have changed since the last of its key that did.

    ::

        ChangeDetector(app, self, fields=["status", "level"], key="device",
                       config={"min_change.level": 0.5})

    What goes on is a copy of the event with one field more::

        {"device": 7, "status": "on", "level": 3.5,
         "changes": {"level": {"old": 2.9, "new": 3.5}}}

    `old` is missing where the field was, and for the first event of a key; `new` where the field
    is gone. Numbers are compared with what was reported last, so a slow drift is reported as
    well. `NaN` equals itself.

    Events are taken in the order in which they come; if that is not the order of their times, put
    a `TimeSorter` before it.

    State: per key what was reported last. Keys are kept until `ttl` after their last event. If
    `max_keys` are, each event of other keys goes on as if it were the first (`unremembered`).

    Args:
        fields: take the place of the option.
    """

    OptionsClass = ChangeDetectorOptions
    Options: ChangeDetectorOptions

    _counted: ClassVar[tuple[str, ...]] = ("unchanged", "unremembered")
    _may_expire: ClassVar[bool] = True

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        fields: Sequence[str] = (),
        key: KeyOf = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        if fields:
            fields = [fields] if isinstance(fields, str) else list(fields)
            config = {"fields": fields, **(config or {})}
        super().__init__(app, pipeline, key, id, config)
        self._fields = tuple(self.Options.fields)
        self._ignored = frozenset(self.Options.ignore) | frozenset(self.Options.key)
        self._least, self._least_ratio = self.Options.min_change, self.Options.min_change_ratio

    def new_state(self) -> dict[Any, Any]:  # type: ignore[override]
        return {}

    def work(self, state: dict[Any, Any], context: Context, event: Event, at_ms: int, /) -> Any:
        values = self._watched(event)
        is_first = not state
        changes = self._changes(state, values)
        for name, change in changes.items():
            if "new" in change:
                state[name] = own(change["new"])
            else:
                del state[name]
        if not changes or (is_first and not self.Options.first):
            self._counter.add("unchanged", 1)
            return None
        return self._with(event, changes)

    def without_room(self, context: Context, event: Event, /) -> Any:
        self._counter.add("unremembered", 1)
        return self._with(event, self._changes({}, self._watched(event)))

    def _watched(self, event: Event) -> dict[Any, Any]:
        if self._fields:
            return {name: event[name] for name in self._fields if name in event}
        return {name: value for name, value in event.items() if name not in self._ignored}

    def _changes(self, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> dict[Any, Any]:
        changes = {}
        for name, value in new.items():
            if name not in old:
                changes[name] = {"new": value}
            elif self._differs(name, old[name], value):
                changes[name] = {"old": old[name], "new": value}
        for name, value in old.items():
            if name not in new:
                changes[name] = {"old": value}
        return changes

    def _differs(self, name: str, old: Any, new: Any) -> bool:
        if old == new or (_is_nan(old) and _is_nan(new)):
            return False
        if (name in self._least or name in self._least_ratio) and _are_numbers(old, new):
            least = max(self._least.get(name, 0.0), abs(old) * self._least_ratio.get(name, 0.0))
            # With `NaN` on one side it is a change.
            return not abs(new - old) < least
        return True

    def _with(self, event: Event, changes: dict[Any, Any]) -> Event:
        return {**event, self.Options.into: changes} if self.Options.into else event


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value  # noqa: PLR0124 - that is what it is


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
