"""The examples of `docs/errors-of-events.md` and `docs/guarantees.md` do what the pages say."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys

import pytest

import bspump
from bspump.abc.dead_letters import DeadLetter
from bspump.core.config_files import read_file
from bspump.state import MemoryStateStore

ERRORS, GUARANTEES = "errors-of-events.md", "guarantees.md"
CORRECTION = ('float(event["amount"])', 'float(event["amount"].replace(",", "."))')
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def _run(command: str, folder) -> str:
    words = shlex.split(command)
    program = [sys.executable, *(["-m", "bspump"] if words.pop(0) == "bspump" else [])]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BSPUMP", "ASAB"))}
    done = subprocess.run(
        [*program, *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode in (0, 78), done.stdout
    return TIME.sub("2026-11-25T08:30:12Z", done.stdout).replace(f"{folder}{os.sep}", "")


@pytest.mark.slow
@pytest.mark.parametrize("page", [ERRORS, GUARANTEES])
def test_every_command_prints_what_is_shown(blocks_of, tmp_path, page):
    ran = 0
    for block in blocks_of(page):
        if block.language == "console":
            if block.title == "after the correction":
                program = tmp_path / "orders.py"
                program.write_text(program.read_text().replace(*CORRECTION))
            shown = block.text.removeprefix("$ ").split("\n$ ")
            for command, _, output in (part.partition("\n") for part in shown):
                assert _run(command, tmp_path).rstrip("\n") == output.rstrip("\n"), command
                ran += 1
        elif block.title is not None:
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
    assert ran >= 4
    if page == ERRORS:
        out = "".join(path.read_text() for path in sorted(tmp_path.glob("out-*.ndjson")))
        assert [out.count(f'"id":{n},') for n in (1, 2, 3)] == [1, 1, 1]


def test_the_options_are_read_alike_in_both_formats(blocks_of, tmp_path):
    found = []
    for block in blocks_of(ERRORS):
        if block.title is None and block.language in ("ini", "yaml"):
            path = tmp_path / f"a.{block.language.replace('ini', 'conf')}"
            path.write_text(block.text)
            assert read_file(path).problems == []
            app = bspump.BSPumpApplication(args=["-c", str(path)])
            found.append(bspump.Pipeline(app, "Orders").Options)
            app.discard()
            assert app.Config.problems == []
    assert len(found) == 2
    assert found[0] == found[1]
    assert found[0].error_retry.first == 1.0
    assert found[0].on_error_of == {"Enrich": "stop", "FileSource": "skip"}


async def test_letters_are_replayed_from_python_as_shown(blocks_of):
    (text,) = [b.text for b in blocks_of(ERRORS) if b.language == "python" and b.title is None]
    scope = {}
    exec(text, scope)  # noqa: S102 - an example of ours
    app = bspump.BSPumpApplication(args=[])
    store = MemoryStateStore()
    app.CheckpointService.use(store)
    about = {"pipeline": "Orders", "part": "", "event": 1, "error_text": "", "at_s": 1.0}
    await store.dead_letters.put([DeadLetter(error_type="TimeoutError", **about)])
    await store.dead_letters.put([DeadLetter(error_type="ValueError", **about)])
    assert await asyncio.wait_for(scope["replay_timeouts"](app), 5) == (1, 2)
    app.discard()
