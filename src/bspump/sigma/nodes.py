"""Tests of events that rules are put together of, and what an event must have to pass them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .text import Anchor
from .view import View

Test = Callable[[View], bool]

Anchors = frozenset[tuple[str, Anchor]]
"""Fields and what they must have; every event that passes has one of them at least."""

_MOST_ANCHORS = 100
_COSTS = {"exact": 1, "prefix": 3, "suffix": 3, "part": 10}


class Node(NamedTuple):
    """A test, and what can be looked up instead of asking it.

    Args:
        test: tells whether an event passes.
        anchors: one of them has every event that passes; `None` if nothing is known.
    """

    test: Test
    anchors: Anchors | None = None


def all_of(nodes: Sequence[Node]) -> Node:
    """Return what passes if all do; those that can be looked up are asked first."""
    if len(nodes) == 1:
        return nodes[0]
    known = [node.anchors for node in nodes if node.anchors is not None]
    ordered = sorted(nodes, key=lambda node: node.anchors is None)
    tests = [node.test for node in ordered]
    anchors = min(known, key=_cost, default=None)
    if len(tests) == 2:
        first, second = tests
        return Node(lambda view: first(view) and second(view), anchors)

    def test_all(view: View) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs thrice
            if not test(view):
                return False
        return True

    return Node(test_all, anchors)


def any_of(nodes: Sequence[Node]) -> Node:
    """Return what passes if one does."""
    if len(nodes) == 1:
        return nodes[0]
    tests = [node.test for node in nodes]
    anchors: Anchors | None = frozenset()
    for node in nodes:
        if anchors is not None:
            anchors = None if node.anchors is None else anchors | node.anchors
    if anchors is not None and len(anchors) > _MOST_ANCHORS:
        anchors = None

    def test_any(view: View) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs thrice
            if test(view):
                return True
        return False

    return Node(test_any, anchors)


def none_of(node: Node) -> Node:
    """Return what passes if the other does not."""
    test = node.test
    return Node(lambda view: not test(view))


def _cost(anchors: Anchors) -> int:
    """Return how much it costs to look these up, about."""
    return sum(_COSTS[anchor.kind] for _, anchor in anchors)
