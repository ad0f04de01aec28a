"""Several aggregations in one pass, compiled to one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .aggregation import Aggregation, Value

Accumulated = list[Any]
"""One element for each aggregation."""


class Fold(NamedTuple):
    """What is done with the events of a window.

    Args:
        first: `(context, event, at_ms)` returns what is accumulated of the first one.
        step: `(accumulated, context, event, at_ms)` adds another one. Where a value cannot be
            read or does not fit the others, it raises and has done nothing.
        names: of the results.
        aggregations: in the same order.
    """

    first: Callable[[Any, Any, int], Accumulated]
    step: Callable[[Accumulated, Any, Any, int], None]
    names: tuple[str, ...]
    aggregations: tuple[Aggregation, ...]

    def new(self) -> Accumulated:
        """Return what is accumulated of nothing, to merge with."""
        return [None if each.Inline is not None else each.create() for each in self.aggregations]

    def merge(self, accumulated: Accumulated, other: Accumulated) -> Accumulated:
        """Return what is accumulated of both; `accumulated` is not used any more, `other` is."""
        return [
            _merge(each, one, two)
            for each, one, two in zip(self.aggregations, accumulated, other, strict=False)
        ]

    def results(self, accumulated: Accumulated) -> dict[str, Any]:
        """Return what comes out, by name."""
        return {
            name: each.result(one)
            for name, each, one in zip(self.names, self.aggregations, accumulated, strict=False)
        }

    def dump(self, accumulated: Accumulated) -> Accumulated:
        """Return what is accumulated as plain data; what follows it is left as it is."""
        done = [each.dump(one) for each, one in zip(self.aggregations, accumulated, strict=False)]
        return done + accumulated[len(done) :]

    def load(self, data: Accumulated) -> Accumulated:
        """Return what `dump` was given."""
        done = [each.load(one) for each, one in zip(self.aggregations, data, strict=False)]
        return done + data[len(done) :]

    @property
    def is_plain(self) -> bool:
        """Whether `dump` and `load` change nothing."""
        return all(type(each).dump is Aggregation.dump for each in self.aggregations)


def _merge(aggregation: Aggregation, one: Any, other: Any) -> Any:
    if aggregation.Inline is not None and (one is None or other is None):
        return other if one is None else one
    return aggregation.merge(one, other)


def fold_of(aggregations: Mapping[str, Aggregation]) -> Fold:
    """Return what computes all of `aggregations` in one pass.

    >>> from .aggregation import Count, Max
    >>> fold = fold_of({"n": Count(), "largest": Max("x")})
    >>> accumulated = fold.first({}, {"x": 3}, 0)
    >>> fold.step(accumulated, {}, {"x": 5}, 1)
    >>> fold.results(accumulated)
    {'n': 2, 'largest': 5}
    """
    text = _Text(list(aggregations.values()))
    scope: dict[str, Any] = {}
    exec(text.source(), text.scope, scope)  # noqa: S102 - our own text
    names, values = tuple(aggregations), tuple(aggregations.values())
    return Fold(scope["first"], scope["step"], names, values)


class _Text:
    """The source of `first` and `step`.

    Values are read first, then all that is new is computed, and only then it takes the place of
    the old: so an event that does not fit has done nothing. Aggregations of the same value share
    the question whether it is `None`.
    """

    def __init__(self, aggregations: list[Aggregation]) -> None:
        self._all = aggregations
        self.scope: dict[str, Any] = {}
        self._groups: dict[Any, list[int]] = {}
        for i, each in enumerate(aggregations):
            self._groups.setdefault((_same(each.of), each.TakesNone), []).append(i)

    def source(self) -> str:
        """Return the text of both functions."""
        return "\n".join(
            [
                "def first(c, e, at):",
                *self._reads(),
                *self._body(is_first=True),
                f"    return [{', '.join(f'n{i}' for i in range(len(self._all)))}]",
                "def step(acc, c, e, at):",
                *self._reads(),
                *self._body(is_first=False),
                *self._assigned(),
            ]
        )

    def _assigned(self) -> list[str]:
        return [f"    acc[{i}] = n{i}" for i in range(len(self._all))] or ["    pass"]

    def _reads(self) -> list[str]:
        lines = []
        for g, ((of, _), _members) in enumerate(self._groups.items()):
            value = _unwrapped(of)
            if isinstance(value, str):
                lines.append(f"    v{g} = e[{value!r}]")
            elif value is None:
                lines.append(f"    v{g} = e")
            else:
                self.scope[f"read{g}"] = value
                lines.append(f"    v{g} = read{g}(c, e)")
        return lines

    def _body(self, *, is_first: bool) -> list[str]:
        lines = []
        for g, ((of, takes_none), members) in enumerate(self._groups.items()):
            indent = "    "
            if _unwrapped(of) is not None and not takes_none:
                lines.append(f"    if v{g} is None:")
                lines += [f"        n{i} = {self._without(i, is_first)}" for i in members]
                lines.append("    else:")
                indent += "    "
            make = self._first if is_first else self._next
            lines += [indent + line for line in make(members, f"v{g}", _unwrapped(of))]
        return lines

    def _without(self, i: int, is_first: bool) -> str:
        """Return the expression where there is no value."""
        if not is_first:
            return f"acc[{i}]"
        return "None" if self._all[i].Inline is not None else f"{self._bound(i, 'create')}()"

    def _first(self, members: list[int], value: str, _of: Value) -> list[str]:
        """Return statements for the first value."""
        lines = []
        for i in members:
            inline = self._all[i].Inline
            created = f"{self._bound(i, 'create')}()"
            made = inline.first.format(v=value) if inline else self._added(i, created, value)
            lines.append(f"n{i} = {made}")
        return lines

    def _next(self, members: list[int], value: str, of: Value) -> list[str]:
        """Return statements for another value; where one was `None` so far, all of them were."""
        lines = []
        easy = [i for i in members if self._all[i].Inline is not None]
        steps = []
        for i in easy:
            lines.append(f"a{i} = acc[{i}]")
            inline = self._all[i].Inline
            steps.append(f"n{i} = {inline.step.format(a=f'a{i}', v=value)}" if inline else "")
        if easy and of is not None:
            lines.append(f"if a{easy[0]} is None:")
            lines += ["    " + line for line in self._first(easy, value, of)]
            lines.append("else:")
            lines += ["    " + line for line in steps]
        else:
            lines += steps
        rest = [i for i in members if i not in easy]
        return lines + [f"n{i} = {self._added(i, f'acc[{i}]', value)}" for i in rest]

    def _added(self, i: int, before: str, value: str) -> str:
        if type(self._all[i]).add_at is not Aggregation.add_at:
            return f"{self._bound(i, 'add_at')}({before}, {value}, at)"
        return f"{self._bound(i, 'add')}({before}, {value})"

    def _bound(self, i: int, method: str) -> str:
        name = f"{method}{i}"
        self.scope[name] = getattr(self._all[i], method)
        return name


class _Function:
    """A function that is the same only as itself, whatever it says of equality."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Function) and other.function is self.function

    def __hash__(self) -> int:
        return id(self.function)


def _same(of: Value) -> Any:
    return _Function(of) if callable(of) else of


def _unwrapped(of: Any) -> Any:
    return of.function if isinstance(of, _Function) else of
