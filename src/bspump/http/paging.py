"""Where the pages of a listing are: five ways to find the next one. Pure: no request is made.

A position is a dict of plain data: `at`, where a page is (a URL, a cursor, a number; `None` for
the first page), and `skip`, how many of its records were read before.

>>> paging = NumberPaging("page", first=1)
>>> page = Page([1, 2, 3], None, "", {})
>>> paging.next_at(None, page), paging.query(2)
(2, {'page': '2'})
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypedDict
from urllib.parse import urljoin, urlsplit

from bspump.abc.errors import ProcessingError
from bspump.clients.http.errors import shown_url

PagingName = Literal["none", "link", "cursor", "page", "offset"]

_LINK: Final = re.compile(
    r'\s*<([^>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+(?:\s*=\s*(?:"[^"]*"|[^",;\s]+))?)*)'
)
_RELATION: Final = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^",;\s]+))', re.IGNORECASE)


class Position(TypedDict):
    """Where to read on."""

    at: Any
    skip: int


class Page(NamedTuple):
    """What came back for one request.

    Args:
        records: of the page, in its order.
        body: the whole answer.
        url: that was asked in the end.
        headers: of the answer; names in any case.
    """

    records: Sequence[Any]
    body: Any
    url: str
    headers: Mapping[str, str]


def find(tree: Any, path: str) -> Any:
    """Return what stands at a dotted path, `None` if nothing does; an empty path is all.

    >>> find({"meta": {"next": "c7"}}, "meta.next"), find([1], "")
    ('c7', [1])
    """
    for name in path.split(".") if path else ():
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def next_link(header: str) -> str | None:
    """Return the target of the relation `next` in a `Link` header (RFC 8288).

    >>> next_link('<https://h/?p=1>; rel="first", </?p=3,4>; title="a, b"; rel="next last"')
    '/?p=3,4'
    """
    place = 0
    while found := _LINK.match(header, place):
        relation = _RELATION.search(found[2])
        if relation and "next" in (relation[1] or relation[2]).lower().split():
            return found[1]
        comma = header.find(",", found.end())
        if comma < 0:
            break
        place = comma + 1
    return None


class Paging(ABC):
    """How one page leads to the next."""

    def url(self, base: str, at: Any) -> str:
        """Return the URL of the page at `at`."""
        return base

    def query(self, at: Any) -> dict[str, str]:
        """Return the parameters that ask for the page at `at`."""
        return {}

    @abstractmethod
    def next_at(self, at: Any, page: Page) -> Any:
        """Return where the page after `page` is, `None` if it is the last one for now."""


class NoPaging(Paging):
    """One page is all there is."""

    def next_at(self, at: Any, page: Page) -> Any:
        return None


class LinkPaging(Paging):
    """The header `Link`, or a field of the body, holds the URL of the next page.

    It must be of the same origin as the first: the credentials are meant for no other.

    Args:
        base: URL of the first page.
        field: dotted path of the field; empty means the header.
    """

    def __init__(self, base: str, field: str) -> None:
        self._base, self._field = base, field

    def url(self, base: str, at: Any) -> str:
        return base if at is None else str(at)

    def next_at(self, at: Any, page: Page) -> Any:
        if self._field:
            target = find(page.body, self._field)
        else:
            target = next_link(page.headers.get("Link", ""))
        if not target:
            return None
        url = urljoin(page.url, str(target))
        if _origin(url) != _origin(self._base):
            raise ProcessingError(
                f"{shown_url(page.url)}: the next page is said to be at another host, "
                f"{shown_url(url)!r}; nothing was sent there"
            )
        return url


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


class CursorPaging(Paging):
    """A field of the body holds what to ask for next; where it is missing, empty or 0 is the end.

    Args:
        field: dotted path of the field.
        parameter: of the query, that takes its value.
    """

    def __init__(self, field: str, parameter: str) -> None:
        self._field, self._parameter = field, parameter

    def query(self, at: Any) -> dict[str, str]:
        return {} if at is None else {self._parameter: str(at)}

    def next_at(self, at: Any, page: Page) -> Any:
        return find(page.body, self._field) or None


class NumberPaging(Paging):
    """Pages have numbers; an empty one is behind the last.

    Args:
        parameter: of the query, that takes the number.
        first: number of the first page.
        page_size: a page with fewer records is the last one; 0 if that is not known.
    """

    def __init__(self, parameter: str, first: int, page_size: int = 0) -> None:
        self._parameter, self._first, self._page_size = parameter, first, page_size

    def query(self, at: Any) -> dict[str, str]:
        return {self._parameter: str(self._first if at is None else at)}

    def next_at(self, at: Any, page: Page) -> Any:
        is_full = len(page.records) >= max(1, self._page_size)
        return (self._first if at is None else at) + 1 if is_full else None


class OffsetPaging(Paging):
    """A page begins after so many records; an empty one is the end."""

    def __init__(self, parameter: str) -> None:
        self._parameter = parameter

    def query(self, at: Any) -> dict[str, str]:
        return {self._parameter: str(0 if at is None else at)}

    def next_at(self, at: Any, page: Page) -> Any:
        return (at or 0) + len(page.records) if page.records else None


def read_page(
    paging: Paging, position: Position, page: Page
) -> tuple[Sequence[Any], Position, bool]:
    """Return the records not read before, where to read on, and whether it was the last page.

    The position of the last page is the page itself, so that what is appended to it is found.

    Raises:
        ProcessingError: the page leads to itself.
    """
    at, skip = position["at"], position["skip"]
    new = page.records[skip:]
    next_at = paging.next_at(at, page)
    if next_at is None:
        return new, {"at": at, "skip": max(skip, len(page.records))}, True
    if next_at == at:
        raise ProcessingError(f"{shown_url(page.url)}: the page is said to be followed by itself")
    return new, {"at": next_at, "skip": 0}, False
