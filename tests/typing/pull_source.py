"""A source that answers reads: options and position have types of their own."""

from __future__ import annotations

from typing import Annotated, assert_type

from msgspec import Meta

import bspump
from bspump.abc.source import PullOptions


class PagesOptions(PullOptions, frozen=True, kw_only=True):
    """What the source can be told, besides what every pull source can."""

    path: Annotated[str, Meta(description="Path of the listing.")] = "/pages"
    page_size: Annotated[int, Meta(ge=1, description="Records of a page.")] = 100


class PagesSource(bspump.PullSource[PagesOptions, int]):
    """Emits records, page by page."""

    OptionsClass = PagesOptions
    Capabilities = bspump.Can.RESUME | bspump.Can.ORDER

    async def read(self, position: int | None, /) -> bspump.Chunk[int]:
        assert_type(self.Options.page_size, int)
        assert_type(self.Options.idle, float)
        first = position or 0
        records = [{"n": n} for n in range(first, first + self.Options.page_size)]
        return bspump.Chunk(records, position=first + len(records), is_last=first >= 1000)

    async def acknowledge(self, position: int, /) -> None:
        assert_type(self.Position, int | None)


class WrongSource(bspump.PullSource[PagesOptions, int]):
    """Returns a position of another type than it says."""

    async def read(self, position: int | None, /) -> bspump.Chunk[int]:
        return bspump.Chunk([], position="end")  # type: ignore[arg-type]  # it must not pass
