"""Several aggregations in one pass, compiled to one function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from .aggregation import Aggregation, Inline, Value

Accumulated = list[Any]
"""One element for each aggregation."""


class Fold(NamedTuple):
    """What is done with the events of a window.

    Args:
        first: `(context, event, at_ms)` returns what is accumulated of the first one.
        step: `(accumulated, context, event, at_ms)` adds another one. Where a value cannot be
            read or does not fit the others, it raises and has done nothing.
        merge: `(accumulated, other)` returns what is accumulated of both; the first is not used
            any more, the other stays as it is.
        names: of the results.
        aggregations: in the same order.
        text: what `step` does, as statements of `acc`, `c`, `e` and `at`, to be put into others.
        scope: what these statements refer to.
    """

    first: Callable[[Any, Any, int], Accumulated]
    step: Callable[[Accumulated, Any, Any, int], None]
    merge: Callable[[Accumulated, Accumulated], Accumulated]
    names: tuple[str, ...]
    aggregations: tuple[Aggregation, ...]
    text: tuple[str, ...]
    scope: Mapping[str, Any]

    def merged(self, parts: Iterable[Accumulated]) -> Accumulated:
        """Return what is accumulated of several, all of which stay as they are."""
        found = [None if each.Inline is not None else each.create() for each in self.aggregations]
        for part in parts:
            found = self.merge(found, part)
        return found

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


def fold_of(aggregations: Mapping[str, Aggregation]) -> Fold:
    """Return what computes all of `aggregations` in one pass.

    >>> from .aggregation import Count, Max
    >>> fold = fold_of({"n": Count(), "largest": Max("x")})
    >>> accumulated = fold.first({}, {"x": 3}, 0)
    >>> fold.step(accumulated, {}, {"x": 5}, 1)
    >>> fold.results(accumulated)
    {'n': 2, 'largest': 5}
    """
    names, values = tuple(aggregations), tuple(aggregations.values())
    text, made = _Text(list(values)), dict[str, Any]()
    exec(text.source(), text.scope, made)  # noqa: S102 - our own text
    first, step, merge = made["first"], made["step"], made["merge"]
    return Fold(first, step, merge, names, values, tuple(text.step()), text.scope)


class _Text:
    """The source of `first`, `step` and `merge`.

    Values are read first, then all that is new is computed, and only then it takes the place of
    the old: so an event that does not fit has done nothing. Where several aggregations change
    what they have accumulated in place, each is asked before whether the value fits. Aggregations
    of the same value share the question whether it is `None`.
    """

    def __init__(self, aggregations: list[Aggregation]) -> None:
        self._all = aggregations
        self.scope: dict[str, Any] = {}
        self._groups: dict[Any, list[int]] = {}
        for i, each in enumerate(aggregations):
            self._groups.setdefault((_same(each.of), each.TakesNone), []).append(i)
        self._changing = [i for i, each in enumerate(aggregations) if each.Inline is None]

    def source(self) -> str:
        """Return the text of the functions."""
        return "\n".join(
            [
                "def first(c, e, at):",
                *self._indented(self._lines(is_first=True)),
                f"    return [{', '.join(f'n{i}' for i in range(len(self._all)))}]",
                "def step(acc, c, e, at):",
                *self._indented(self.step()),
                "    return None",
                "def merge(acc, other):",
                *self._indented(self._merge()),
            ]
        )

    def step(self) -> list[str]:
        """Return statements that add the event `e` to `acc`."""
        assigned = [f"acc[{i}] = n{i}" for i in range(len(self._all))]
        return [*self._lines(is_first=False), *assigned]

    def _merge(self) -> list[str]:
        lines = []
        for i, each in enumerate(self._all):
            lines.append(f"a{i}, b{i} = acc[{i}], other[{i}]")
            if each.Inline is None:
                lines.append(f"n{i} = {self._bound(i, 'merge')}(a{i}, b{i})")
                continue
            both = each.Inline.merge.format(a=f"a{i}", b=f"b{i}")
            lines.append(f"n{i} = a{i} if b{i} is None else b{i} if a{i} is None else {both}")
        return [*lines, f"return [{', '.join(f'n{i}' for i in range(len(self._all)))}]"]

    def _lines(self, *, is_first: bool) -> list[str]:
        """Return statements that compute `n0`, `n1`, …; those that change something come last."""
        groups = enumerate(self._groups)
        lines = [self._read(g, of) for g, (of, _) in groups if _unwrapped(of) is not None]
        if len(self._changing) > 1:
            lines += self._for_each_group(self._checks)
        easy = self._first_easy if is_first else self._next_easy
        lines += self._for_each_group(easy, lambda i: self._without(i, is_first))
        rest = self._first_rest if is_first else self._next_rest
        return lines + self._for_each_group(rest, lambda i: self._without(i, is_first))

    def _read(self, g: int, of: Any) -> str:
        value = _unwrapped(of)
        if isinstance(value, str):
            return f"v{g} = e[{value!r}]"
        self.scope[f"read{g}"] = value
        return f"v{g} = read{g}(c, e)"

    def _for_each_group(
        self,
        make: Callable[[list[int], str, bool], tuple[list[int], list[str]]],
        without: Callable[[int], str] | None = None,
    ) -> list[str]:
        """Return the statements of `make`, where a value may be `None` below that question."""
        lines: list[str] = []
        for g, ((of, takes_none), all_members) in enumerate(self._groups.items()):
            may_miss = _unwrapped(of) is not None and not takes_none
            value = "e" if _unwrapped(of) is None else f"v{g}"
            members, made = make(all_members, value, may_miss)
            if not members:
                continue
            if not may_miss:
                lines += made
            elif without is None:
                lines += [f"if v{g} is not None:", *self._indented(made)]
            else:
                missing = [f"n{i} = {without(i)}" for i in members]
                lines += [f"if v{g} is None:", *self._indented(missing)]
                lines += ["else:", *self._indented(made)]
        return lines

    def _without(self, i: int, is_first: bool) -> str:
        """Return the expression where there is no value."""
        if not is_first:
            return f"acc[{i}]"
        return "None" if self._all[i].Inline is not None else f"{self._bound(i, 'create')}()"

    def _checks(
        self, members: list[int], value: str, _may_miss: bool
    ) -> tuple[list[int], list[str]]:
        asked = [i for i in members if type(self._all[i]).check is not Aggregation.check]
        return asked, [f"{self._bound(i, 'check')}({value})" for i in asked]

    def _first_easy(
        self, members: list[int], value: str, _may_miss: bool
    ) -> tuple[list[int], list[str]]:
        easy = [i for i in members if i not in self._changing]
        return easy, [f"n{i} = {self._inline(i).first.format(v=value)}" for i in easy]

    def _first_rest(
        self, members: list[int], value: str, _may_miss: bool
    ) -> tuple[list[int], list[str]]:
        rest = [i for i in members if i in self._changing]
        created = {i: f"{self._bound(i, 'create')}()" for i in rest}
        return rest, [f"n{i} = {self._added(i, created[i], value)}" for i in rest]

    def _next_easy(
        self, members: list[int], value: str, may_miss: bool
    ) -> tuple[list[int], list[str]]:
        """Return statements for another value; where one was `None` so far, all of them were."""
        easy = [i for i in members if i not in self._changing]
        if not easy:
            return [], []
        lines = [f"a{i} = acc[{i}]" for i in easy]
        steps = [f"n{i} = {self._inline(i).step.format(a=f'a{i}', v=value)}" for i in easy]
        if may_miss:
            firsts = self._first_easy(easy, value, may_miss)[1]
            lines += [f"if a{easy[0]} is None:", *self._indented(firsts)]
            return easy, [*lines, "else:", *self._indented(steps)]
        return easy, lines + steps

    def _next_rest(
        self, members: list[int], value: str, _may_miss: bool
    ) -> tuple[list[int], list[str]]:
        rest = [i for i in members if i in self._changing]
        return rest, [f"n{i} = {self._added(i, f'acc[{i}]', value)}" for i in rest]

    def _inline(self, i: int) -> Inline:
        inline = self._all[i].Inline
        if inline is None:
            raise AssertionError(f"{self._all[i]!r} has no expressions")
        return inline

    def _added(self, i: int, before: str, value: str) -> str:
        if type(self._all[i]).add_at is not Aggregation.add_at:
            return f"{self._bound(i, 'add_at')}({before}, {value}, at)"
        return f"{self._bound(i, 'add')}({before}, {value})"

    def _bound(self, i: int, method: str) -> str:
        name = f"{method}{i}"
        self.scope[name] = getattr(self._all[i], method)
        return name

    @staticmethod
    def _indented(lines: list[str]) -> list[str]:
        return ["    " + line for line in lines]


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
