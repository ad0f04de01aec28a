"""The example of the page on keyed operators does what it says."""

from __future__ import annotations

import json
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/keyed-operators.md").read_text(encoding="utf-8")
T0 = 1_760_000_000_000
CLICKS = [
    (0, "ann", "/home"),
    (10, "bob", "/home"),
    (25, "ann", "/cart"),
    (20, "ann", "/shop"),  # Late.
    (25, "ann", "/cart"),  # Twice.
    (65, "ann", "/logout"),
    (40, "bob", "/help"),  # Too late, by 15 seconds.
    (65, "ann", "/logout"),
    (60, "bob", "/help"),
    (60, "bob", "/help"),
    (4000, "ann", "/home"),
    (4000, "ann", "/home"),
]


async def test_clicks_become_visits(start, tmp_path):
    lines = [
        json.dumps(
            {"id": f"{user}{page}{at_s}", "at": T0 + at_s * 1000, "user": user, "page": page}
        )
        for at_s, user, page in CLICKS
    ]
    (tmp_path / "clicks.ndjson").write_text("".join(f"{line}\n" for line in lines))
    program = await start("docs/examples/keyed_operators.py")
    assert await program.end() == 0, program.log
    assert program.output == PAGE.split("```text\n")[1].split("```")[0]
