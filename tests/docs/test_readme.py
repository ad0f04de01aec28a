"""The first example of `README.md` does what the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = "../README.md"


def _run(command: str, folder: Path) -> str:
    words = command.split()
    if words[0] == "python":
        words[0] = sys.executable
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if ": guarantee pipeline=" not in line] == []
    return done.stdout


@pytest.fixture
def folder(blocks_of, tmp_path):
    for block in blocks_of(README):
        if block.title is not None:
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
    return tmp_path


def test_every_command_of_the_first_example_prints_what_is_shown(blocks_of, folder):
    ran = 0
    for block in blocks_of(README):
        if block.language == "console":
            shown = block.text.removeprefix("$ ").split("\n$ ")
            for command, _, output in (part.partition("\n") for part in shown):
                assert _run(command, folder).rstrip("\n") == output.rstrip("\n"), command
                ran += 1
    assert ran >= 2


def test_every_target_of_make_exists(blocks_of):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {
        target
        for block in blocks_of(README)
        if block.language == "sh"
        for target in re.findall(r"\bmake ([a-z]+)", block.text)
    }
    assert named
    assert named <= targets
