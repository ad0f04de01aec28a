"""Contexts for many events that come from the same place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import overload

from .host import Context


class Copies(Sequence[Context]):
    """As many copies of one context, one for each event, made when somebody asks for them.

    For `Pipeline.process_many(events, Copies(context, len(events)))`: the same as a list of
    copies, but the engine makes each of them just before its event goes through, so that no list
    of them has to be built, kept and looked at by the garbage collector.

    To everybody else it is such a list: the first look at an element makes all of them, and from
    then on they stay what they have become. The context must not be changed meanwhile.

    >>> contexts = Copies({"peer": "a"}, 2)
    >>> contexts[0]["seen"] = True
    >>> list(contexts)
    [{'peer': 'a', 'seen': True}, {'peer': 'a'}]
    """

    __slots__ = ("_context", "_count", "_made")

    def __init__(self, context: Context, count: int) -> None:
        self._context, self._count = context, count
        self._made: list[Context] | None = None

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Context: ...

    @overload
    def __getitem__(self, index: slice) -> list[Context]: ...

    def __getitem__(self, index: int | slice) -> Context | list[Context]:
        return self._all()[index]

    def __iter__(self) -> Iterator[Context]:
        return iter(self._all())

    def _all(self) -> list[Context]:
        if self._made is None:
            self._made = list(self.once())
        return self._made

    def once(self) -> Iterable[Context]:
        """Return them for whoever goes through them once, in order, and does not come back.

        What nobody has looked at yet is made on the way and not kept here.
        """
        if self._made is not None:
            return self._made
        return map(dict.copy, repeat(self._context, self._count))

    def part(self, start: int, stop: int) -> Sequence[Context]:
        """Return some of them, for whoever goes on with these alone."""
        if self._made is not None:
            return self._made[start:stop]
        return Copies(self._context, stop - start)
