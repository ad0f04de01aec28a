"""Where the next page is: pure decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ProcessingError
from bspump.http.paging import (
    CursorPaging,
    LinkPaging,
    NoPaging,
    NumberPaging,
    OffsetPaging,
    Page,
    find,
    next_link,
    read_page,
)

BASE = "https://api.example/items?kind=a"


def page(records=(), body=None, url=BASE, link=""):
    return Page(list(records), body, url, {"Link": link} if link else {})


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://h/2>; rel="next"', "https://h/2"),
        ("<https://h/2>; rel=next", "https://h/2"),
        ('<https://h/2>; REL="NEXT"', "https://h/2"),
        ('</1>; rel="prev", </3>; rel="next"', "/3"),
        ('</1>;rel="first last",</3>;title="x";rel="last next"', "/3"),
        ('</a,b;c>; title="rel=next, yes"; rel="prev", </3>; rel=next', "/3"),
        ('<>; rel="next"', ""),
        ('</1>; rel="prev"', None),
        ('</1>; title="next"', None),
        ("nonsense", None),
        ("<unclosed", None),
        ("", None),
    ],
)
def test_the_relation_next_is_found_in_a_link_header(header, target):
    assert next_link(header) == target


@given(st.text(max_size=50))
def test_no_link_header_breaks_the_parser(header):
    next_link(header)


@pytest.mark.parametrize(
    ("path", "found"), [("a.b", 1), ("a", {"b": 1}), ("a.x", None), ("a.b.c", None), ("x", None)]
)
def test_a_path_leads_to_a_value_or_to_none(path, found):
    assert find({"a": {"b": 1}}, path) == found


def test_a_relative_link_belongs_to_the_page_that_has_it():
    paging = LinkPaging(BASE, "")
    assert paging.next_at(None, page([1], link='<?page=2>; rel="next"')) == (
        "https://api.example/items?page=2"
    )


@pytest.mark.parametrize(
    "target", ["https://evil.example/x", "http://api.example/x", "https://api.example:444/x"]
)
def test_a_link_to_another_origin_is_not_followed(target):
    paging = LinkPaging(BASE, "next")
    with pytest.raises(ProcessingError, match="another host"):
        paging.next_at(None, page([1], body={"next": target}))


@pytest.mark.parametrize("empty", [{}, {"next": None}, {"next": ""}, {"next": 0}, []])
def test_without_a_cursor_the_listing_ends(empty):
    assert CursorPaging("next", "cursor").next_at("c1", page([1], body=empty)) is None


def test_a_cursor_may_be_a_number():
    paging = CursorPaging("next", "after")
    assert paging.next_at(None, page([1], body={"next": 7})) == 7
    assert paging.query(7) == {"after": "7"}


def test_a_page_that_leads_to_itself_is_an_error():
    with pytest.raises(ProcessingError, match="followed by itself"):
        read_page(CursorPaging("n", "c"), {"at": "x", "skip": 0}, page([1], body={"n": "x"}))


def test_a_single_page_has_no_next_one():
    assert read_page(NoPaging(), {"at": None, "skip": 0}, page([1, 2])) == (
        [1, 2],
        {"at": None, "skip": 2},
        True,
    )


@given(
    st.lists(st.integers(), max_size=30),
    st.lists(st.integers(), max_size=30),
    st.integers(1, 7),
    st.sampled_from(["page", "offset", "cursor"]),
)
def test_a_listing_that_grows_is_read_exactly_once_and_in_order(first, later, size, kind):
    """Read to the end, let it grow, read on from the position: nothing twice, nothing missing."""
    listing = list(first)
    paging = {
        "page": NumberPaging("page", 1, size),
        "offset": OffsetPaging("offset"),
        "cursor": CursorPaging("next", "cursor"),
    }[kind]

    def ask(at):
        start = {"page": ((at or 1) - 1) * size, "offset": at or 0, "cursor": at or 0}[kind]
        records = listing[start : start + size]
        more = start + size < len(listing)
        return page(records, body={"next": start + size if more else None})

    def read_all(position):
        found = []
        while True:
            records, position, is_end = read_page(paging, position, ask(position["at"]))
            found += records
            if is_end:
                return found, position

    found, position = read_all({"at": None, "skip": 0})
    assert found == first
    listing += later
    again, _ = read_all(position)
    assert again == later
