"""Reading pages of the documentation: their code blocks, and the headings above these."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?")


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: its language, the name of the file that it shows, its text, its heading."""

    language: str
    title: str | None
    text: str
    heading: str


def _blocks(page: str) -> list[Block]:
    found: list[Block] = []
    heading, fence, lines = "", None, []
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        if fence is not None and line == "```":
            text = "".join(f"{inner}\n" for inner in lines)
            found.append(Block(fence["language"], fence["title"], text, heading))
            fence, lines = None, []
        elif fence is not None:
            lines.append(line)
        elif line.startswith("```"):
            fence = FENCE.fullmatch(line)
            assert fence is not None, f"{page}: {line}: expected a language, and perhaps a title"
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    assert fence is None, f"{page}: a block does not end"
    return found


@pytest.fixture
def blocks_of() -> Callable[[str], list[Block]]:
    """Return a function that reads the code blocks of a page, in their order."""
    return _blocks
