"""The page of what does not happen here names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "kept-promises.md"


def test_every_promise_names_a_test_that_exists():
    named = re.findall(r"`(tests/[^`:]+)::(test_\w+)`", PAGE.read_text())
    rows = [line for line in PAGE.read_text().splitlines() if re.match(r"\| (?!elsewhere|-)", line)]
    assert len(named) == len(rows) > 20
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert missing == []
