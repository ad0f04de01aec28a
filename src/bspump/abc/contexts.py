"""Contexts for many events that are made when somebody asks for them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Self, overload

from .host import Context


class LazyContexts(Sequence[Context]):
    """Contexts, one for each event, that are made when somebody asks for them.

    For `Pipeline.process_many(events, contexts)`: the same as a list of them, but the engine
    makes each just before its event goes through, so that no list of them has to be built, kept
    and looked at by the garbage collector; where no part looks at one, none is made.

    To everybody else it is such a list: the first look at an element makes all of them, and from
    then on they stay what they have become.
    """

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: list[Context] | None = None

    @abstractmethod
    def make(self) -> Iterable[Context]:
        """Return new contexts, in order; may be called more than once, and makes the same."""

    @abstractmethod
    def cut(self, start: int, stop: int) -> Self:
        """Return what makes the contexts from `start` to `stop`."""

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
            self._made = list(self.make())
        return self._made

    def once(self) -> Iterable[Context]:
        """Return them for whoever goes through them once, in order, and does not come back.

        What nobody has looked at yet is made on the way and not kept here.
        """
        return self.make() if self._made is None else self._made

    def part(self, start: int, stop: int) -> Sequence[Context]:
        """Return some of them, for whoever goes on with these alone."""
        return self.cut(start, stop) if self._made is None else self._made[start:stop]


class Copies(LazyContexts):
    """As many copies of one context, one for each event that comes from the same place.

    `Pipeline.process_many(events, Copies(context, len(events)))`. The context must not be changed
    meanwhile.

    >>> contexts = Copies({"peer": "a"}, 2)
    >>> contexts[0]["seen"] = True
    >>> list(contexts)
    [{'peer': 'a', 'seen': True}, {'peer': 'a'}]
    """

    __slots__ = ("_context", "_count")

    def __init__(self, context: Context, count: int) -> None:
        super().__init__()
        self._context, self._count = context, count

    def __len__(self) -> int:
        return self._count

    def make(self) -> Iterable[Context]:
        return map(dict.copy, repeat(self._context, self._count))

    def cut(self, start: int, stop: int) -> Self:
        return type(self)(self._context, stop - start)
