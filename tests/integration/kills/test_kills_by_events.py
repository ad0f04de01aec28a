"""Events that abort the process are found and set aside; everything else arrives exactly once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from arriving import Files
from feeding import KEYS, lines
from killing import Killing

from bspump.abc.dead_letters import DeadLetter, LetterFilter
from bspump.state import SqliteStateStore

SENT = 1600
DEADLY = [7, 8, 1590]


async def letters_in(path: Path) -> list[DeadLetter]:
    store = SqliteStateStore(path)
    await store.open()
    try:
        found = await store.dead_letters.find(LetterFilter())
        return list(await store.dead_letters.read([each.id for each in found]))
    finally:
        await store.close()


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.fault("TailSource", "event kills")
def test_events_that_abort_the_process_are_set_aside(tmp_path: Path) -> None:
    source, out = tmp_path / "in.json", Files(tmp_path / "out")
    source.write_bytes(lines(0, SENT))
    sink = {"kind": "file", "path": str(tmp_path / "out" / "{index:05}.json")}
    killing = Killing({"kind": "file", "path": str(source)}, sink, tmp_path, deadly=DEADLY)
    deaths = killing.run_until_it_lives(lambda: out.count() >= SENT - len(DEADLY))
    # Three until care is taken, two for each of those that are found one after the other, and
    # some more until the last one is near.
    assert 9 <= deaths <= 14
    arrived = out.events()
    counts: dict[str, int] = {}
    for each in arrived:
        counts[each["key"]] = counts.get(each["key"], 0) + 1
        assert each["count"] == counts[each["key"]], each
    assert len(counts) == KEYS
    assert [each["number"] for each in arrived] == [n for n in range(SENT) if n not in DEADLY]
    letters = asyncio.run(letters_in(tmp_path / "var" / "state.sqlite"))
    assert [letter.event for letter in letters] == [
        lines(number, 1).removesuffix(b"\n") for number in DEADLY
    ]
    assert {letter.error_type for letter in letters} == {"bspump.abc.errors.CrashError"}
