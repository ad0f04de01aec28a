"""The source text of a chain: what `chain.py` compiles, one function per way in.

A *depth* is a run of processors up to a generator, an asynchronous processor or the sink. For
each depth there is `one<d>`, for a single event, and `inject` for any of them. For each fused
*piece* of a depth (what stands between two parts that take whole lists) there are `many<d>_<k>`,
over a list, and `timed<d>_<k>`, its twin that measures every processor. `process` is depth 0 as
a coroutine.

What the text may use: `p<d>_<i>` the bound `process` methods, `g<d>` and `a<d>` what ends a
depth, `closed<d>` the set of reasons to wait before it, `drops` and `entered` the counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

End = Literal["sink", "end", "split", "async", "collect"]


@dataclass(frozen=True, slots=True)
class DepthText:
    """What the emitter must know of a depth.

    Args:
        first: number of its first processor; they are counted through all depths.
        count: how many processors it has, what ends it not included.
        end: how it ends; a sink is the last of the `count` processors, the others are not.
        pieces: `(start, stop, takes_lists)` within the depth, in order.
    """

    first: int
    count: int
    end: End
    pieces: Sequence[tuple[int, int, bool]]

    @property
    def is_plain(self) -> bool:
        """Tell whether no part of it takes whole lists, so that it may be inlined."""
        return not any(takes_lists for _, _, takes_lists in self.pieces)


@dataclass(slots=True)
class Text:
    """Lines of source, and which processor a line calls."""

    lines: list[str] = field(default_factory=list)
    calls: dict[int, int] = field(default_factory=dict)

    def add(self, indent: int, line: str, processor: int | None = None) -> None:
        """Append a line; `processor` is the number of the one that it calls."""
        self.lines.append("    " * indent + line)
        if processor is not None:
            self.calls[len(self.lines)] = processor


def emit(depths: Sequence[DepthText], arguments: Sequence[str]) -> Text:
    """Return the source of `make(...)`, which returns a dict of the functions."""
    text = Text()
    text.add(0, f"def make({', '.join(arguments)}):")
    names = []
    for d, depth in enumerate(depths):
        names.append(_emit_one(text, depths, d))
        for k, (_, _, takes_lists) in enumerate(depth.pieces):
            # A part that takes lists has these functions too: for the list that it refuses.
            names.append(_emit_many(text, depths, d, k, after_list=_follows_list(depth, k)))
            names.append(_emit_timed(text, depths, d, k, takes_lists=takes_lists))
    names += _emit_inject(text, depths)
    names += _emit_process(text, depths)
    text.add(1, f"return {{{', '.join(f'{name!r}: {name}' for name in names)}}}")
    return text


def emit_entry(depths: Sequence[DepthText], number: int, arguments: Sequence[str]) -> Text:
    """Return the source of `make(...)`, which returns a dict with `enter` alone.

    `enter(context, event)` runs one event through from the processor `number` on.
    """
    d = next(d for d in reversed(range(len(depths))) if depths[d].first <= number)
    text = Text()
    text.add(0, f"def make({', '.join(arguments)}):")
    text.add(1, f"def enter(c{d}, e{d}):")
    span = (number - depths[d].first, depths[d].count)
    _emit_body(text, depths, d, span, depths[d].end, 2, "return")
    text.add(1, "return {'enter': enter}")
    return text


def _follows_list(depth: DepthText, k: int) -> bool:
    return k > 0 and depth.pieces[k - 1][2]


def _end_of(depth: DepthText, k: int) -> End:
    """How a piece ends: as its depth does, or by handing on a list."""
    return depth.end if k == len(depth.pieces) - 1 else "collect"


def _emit_one(text: Text, depths: Sequence[DepthText], d: int) -> str:
    depth = depths[d]
    text.add(1, f"def one{d}(c{d}, e{d}):")
    text.add(2, f"entered[{d}] += 1")
    _emit_body(text, depths, d, (0, depth.count), depth.end, 2, "return")
    return f"one{d}"


def _emit_many(text: Text, depths: Sequence[DepthText], d: int, k: int, *, after_list: bool) -> str:
    """Emit the loop over a list. Closing the gate shortens the list, so nothing is asked here."""
    depth = depths[d]
    start, stop, _ = depth.pieces[k]
    text.add(1, f"def many{d}_{k}(it, contexts, outs, ctxs{_locals(depth, d, start, stop)}):")
    for head, loop, fresh in (
        ("if contexts is None:", f"for e{d} in it:", True),
        ("else:", f"for e{d}, c{d} in zip(it, contexts):", False),
    ):
        text.add(2, head)
        text.add(3, loop)
        if after_list:
            text.add(4, f"if e{d} is None:")
            text.add(5, f"drops[{depth.first + start - 1}] += 1")
            text.add(5, "continue")
        if fresh:
            text.add(4, f"c{d} = {{}}")
        span, end = (start, stop), _end_of(depth, k)
        _emit_body(text, depths, d, span, end, 4, "continue", collects=True)
    return f"many{d}_{k}"


def _locals(depth: DepthText, d: int, start: int, stop: int) -> str:
    """Return defaults that make local variables of what the loop uses for every event."""
    names = [f"p{d}_{i}" for i in range(start, stop)]
    return "".join(f", {name}={name}" for name in names)


def _emit_body(
    text: Text,
    depths: Sequence[DepthText],
    d: int,
    span: tuple[int, int],
    end: End,
    indent: int,
    skip: str,
    *,
    collects: bool = False,
) -> None:
    """Emit the calls for one event, `e<d>` with `c<d>`.

    Args:
        text: to emit to.
        depths: of the chain.
        d: the depth.
        span: numbers of its processors to call.
        end: what follows them.
        indent: of the lines.
        skip: the statement that leaves when the event is consumed.
        collects: what a generator makes is collected in `outs`, if it makes lists.
    """
    depth = depths[d]
    start, stop = span
    text.add(indent, "try:")
    inner = indent + 1
    last_sink = stop - 1 if end == "sink" else stop
    for i in range(start, last_sink):
        number = depth.first + i
        text.add(inner, f"e{d} = p{d}_{i}(c{d}, e{d})", number)
        text.add(inner, f"if e{d} is None:")
        text.add(inner + 1, f"drops[{number}] += 1")
        text.add(inner + 1, skip)
    if end == "sink":
        number = depth.first + last_sink
        text.add(inner, f"if p{d}_{last_sink}(c{d}, e{d}) is not None:", number)
        text.add(inner + 1, "survived()", number)
    elif end == "end":
        text.add(inner, "survived()", depth.first + max(stop - 1, 0))
    elif end == "collect":
        text.add(inner, f"outs.append(e{d})")
        text.add(inner, f"ctxs.append(c{d})")
    elif end == "async":
        text.add(inner, f"a{d}(c{d}, e{d})", depth.first + depth.count)
    else:
        _emit_split(text, depths, d, inner, collects=collects)
    text.add(indent, f"except Exception as x{d}:")
    text.add(inner, f"fail(c{d}, e{d}, x{d})")


def _emit_split(
    text: Text, depths: Sequence[DepthText], d: int, indent: int, *, collects: bool
) -> None:
    """Emit the loop over what a generator makes of one event, the next depth inlined."""
    n, number = d + 1, depths[d].first + depths[d].count
    if not depths[n].is_plain:
        text.add(indent, f"made = g{d}(c{d}, e{d}, {n})", number)
        if collects:
            # Parts that take lists follow: they get what a whole list has become.
            text.add(indent, "if type(made) is list:")
            text.add(indent + 1, "outs += made")
            text.add(indent + 1, f"ctxs.append((c{d}, len(made)))")
            text.add(indent, "else:")
            indent += 1
            text.add(indent, f"flush({n}, outs, ctxs)")
        text.add(indent, f"fan({n}, made, c{d})", number)
        return
    text.add(indent, f"made = g{d}(c{d}, e{d}, {n})", number)
    # Generators that hold something back make an empty list of most events.
    text.add(indent, "if type(made) is not list or made:")
    indent += 1
    text.add(indent, f"n{n} = 0")
    text.add(indent, f"plain{n} = not c{d}")
    text.add(indent, "try:")
    text.add(indent + 1, f"it{n} = iter(made)", number)
    text.add(indent + 1, f"for e{n} in it{n}:", number)
    text.add(indent + 2, f"if closed{n}:")
    text.add(indent + 3, f"fan({n}, chain([e{n}], it{n}), c{d})", number)
    text.add(indent + 3, "break")
    text.add(indent + 2, f"n{n} += 1")
    text.add(indent + 2, f"c{n} = {{}} if plain{n} else c{d}.copy()")
    _emit_body(text, depths, n, (0, depths[n].count), depths[n].end, indent + 2, "continue")
    text.add(indent, "finally:")
    text.add(indent + 1, f"entered[{n}] += n{n}")


def _emit_inject(text: Text, depths: Sequence[DepthText]) -> list[str]:
    """Emit `inject`: one event from any depth on, or held if the gate before that is closed.

    `injected` returns how many were injected at each depth.
    """
    counters = ", ".join(f"injected{d}" for d in range(len(depths)))
    text.add(1, f"{counters.replace(',', ' =')} = 0")
    text.add(1, "def inject(context, event, depth):")
    text.add(2, f"nonlocal {counters}")
    # Generators inject, and what comes behind them is never the first depth.
    for d in reversed(range(len(depths))):
        text.add(2, f"if depth == {d} and not closed{d}:")
        text.add(3, f"c{d} = context.copy() if context else {{}}")
        text.add(3, f"e{d} = event")
        text.add(3, f"injected{d} += 1")
        _emit_body(text, depths, d, (0, depths[d].count), depths[d].end, 3, "return")
        text.add(3, "return")
    text.add(2, "hold(depth, context.copy() if context else {}, event)")
    text.add(1, "def injected():")
    text.add(2, f"return [{counters}]")
    return ["inject", "injected"]


def _emit_timed(
    text: Text, depths: Sequence[DepthText], d: int, k: int, *, takes_lists: bool
) -> str:
    """Emit the twin that measures; a part that takes lists is measured list by list."""
    depth = depths[d]
    start, stop, _ = depth.pieces[k]
    end = _end_of(depth, k)
    text.add(1, f"def timed{d}_{k}(c{d}, e{d}, outs, ctxs):")
    if _follows_list(depth, k) and not takes_lists:
        text.add(2, f"if e{d} is None:")
        text.add(3, f"drops[{depth.first + start - 1}] += 1")
        text.add(3, "return")
    text.add(2, "try:")
    text.add(3, "t = now()")
    for i in range(start, stop):
        number = depth.first + i
        text.add(3, f"e = p{d}_{i}(c{d}, e{d})", number)
        _emit_clock(text, number)
        if end == "sink" and i == stop - 1:
            text.add(3, "if e is not None:")
            text.add(4, "survived()", number)
            break
        text.add(3, "if e is None:")
        text.add(4, f"drops[{number}] += 1")
        text.add(4, "return")
        text.add(3, f"e{d} = e")
    number = depth.first + depth.count
    if end == "end":
        text.add(3, "survived()", number - 1)
    elif end == "collect":
        text.add(3, f"outs.append(e{d})")
        text.add(3, f"ctxs.append(c{d})")
    elif end == "async":
        text.add(3, f"a{d}(c{d}, e{d})", number)
        _emit_clock(text, number)
    elif end == "split":
        _emit_timed_split(text, depths, d)
    text.add(2, f"except Exception as x{d}:")
    text.add(3, f"fail(c{d}, e{d}, x{d})")
    return f"timed{d}_{k}"


def _emit_timed_split(text: Text, depths: Sequence[DepthText], d: int) -> None:
    """Emit the call of a generator; what it makes later, item by item, is not measured."""
    n, number = d + 1, depths[d].first + depths[d].count
    text.add(3, f"made = g{d}(c{d}, e{d}, {n})", number)
    _emit_clock(text, number)
    if not depths[n].is_plain:
        text.add(3, "if type(made) is list and outs is not None:")
        text.add(4, "outs += made")
        text.add(4, f"ctxs.append((c{d}, len(made)))")
        text.add(4, "return")
        text.add(3, f"flush({n}, outs, ctxs)")
    text.add(3, f"fan({n}, made, c{d})", number)


def _emit_clock(text: Text, number: int) -> None:
    text.add(3, "u = now()")
    text.add(3, f"spent[{number}] += u - t")
    text.add(3, f"seen[{number}] += 1")
    text.add(3, "t = u")


def _emit_process(text: Text, depths: Sequence[DepthText]) -> list[str]:
    """Emit `process`: depth 0 as a coroutine, an event in every so many through `paced`.

    `expire` makes the next event such a one, and returns how many were left until then; so a
    gate that closes need not be looked at for every event.
    """
    text.add(1, "left = 1")
    text.add(1, "async def process(e0, context=None):")
    text.add(2, "nonlocal left")
    text.add(2, "left -= 1")
    text.add(2, "if not left:")
    text.add(3, "left = 1")
    text.add(3, "if due():")
    text.add(4, "await breathe()")
    text.add(3, "if closed0:")
    text.add(4, "await wait(e0, context)")
    text.add(3, "else:")
    text.add(4, "left = paced(e0, context, left)")
    text.add(3, "return")
    text.add(2, "c0 = {} if context is None else context.copy()")
    _emit_body(text, depths, 0, (0, depths[0].count), depths[0].end, 2, "return")
    text.add(1, "def waiting():")
    text.add(2, "return left")
    text.add(1, "def expire():")
    text.add(2, "nonlocal left")
    text.add(2, "before, left = left, 1")
    text.add(2, "return before")
    return ["process", "waiting", "expire"]
