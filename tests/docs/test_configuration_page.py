"""The examples of `docs/configuration.md` do what the page says."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

from bspump.core.config_files import read_file

PAGE = "configuration.md"


def _run(command: str, folder) -> str:
    """Run a command line such as `NAME=value python program.py`.

    Returns all that it prints, but for what its pipelines promise.
    """
    words = shlex.split(command)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BSPUMP", "ASAB"))}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    assert words.pop(0) == "python"
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode in (0, 78), done.stdout
    lines = done.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if ": guarantee pipeline=" not in line)


@pytest.mark.slow
def test_every_command_prints_what_is_shown(blocks_of, tmp_path):
    ran = 0
    for block in blocks_of(PAGE):
        if block.title is not None:
            path = tmp_path / block.title
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            shown = block.text.removeprefix("$ ").split("\n$ ")
            for command, _, output in (part.partition("\n") for part in shown):
                assert _run(command, tmp_path).rstrip("\n") == output.rstrip("\n"), command
                ran += 1
    assert ran > 10


def test_every_other_example_of_python_runs(blocks_of):
    examples = [b.text for b in blocks_of(PAGE) if b.language == "python" and b.title is None]
    assert examples
    for text in examples:
        exec(text, {})  # noqa: S102 - an example of ours


def test_the_examples_of_nested_options_say_the_same(blocks_of, tmp_path):
    said = []
    for language in ("toml", "ini"):
        (text,) = [b.text for b in blocks_of(PAGE) if b.language == language and b.title is None]
        path = tmp_path / f"a.{language}"
        path.write_text(text, encoding="utf-8")
        content = read_file(path)
        assert content.problems == []
        said.append(
            {
                (section, key, str(entry.value))
                for section, entries in content.sections.items()
                for key, entry in entries.items()
            }
        )
    assert said[0] == said[1]
