"""Text files end in one newline and name no machine of a developer and no package host."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Written in pieces, so that this file does not contain what it looks for.
HOSTS = [
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("crates", "io"),
    ("golang", "org"),
    ("maven", "org"),
    ("deb", "debian", "org"),
]
BANNED = re.compile(
    "|".join(
        [
            r"(?<![\w./-])/" + "work/",
            r"(?<![\w/.-])shared" + r"/(?!\w+\.)",
            *(r"\b" + r"\.".join(host) + r"\b" for host in HOSTS),
        ]
    )
)


@pytest.fixture(scope="module")
def text_files(root: Path) -> dict[str, str]:
    """Return the text of every file that is, or is about to be, under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    ).stdout.decode()
    found = {}
    for name in filter(None, listed.split("\0")):
        path = root / name
        content = path.read_bytes() if path.is_file() else b"\0"
        if b"\0" not in content:
            found[name] = content.decode("utf-8", "replace")
    return found


def test_text_files_end_in_exactly_one_newline(text_files: dict[str, str]) -> None:
    assert "pyproject.toml" in text_files
    wrong = [
        name
        for name, text in text_files.items()
        if text and not name.startswith("tests/data/") and not re.search(r"(^|[^\n])\n\Z", text)
    ]
    assert wrong == []


def test_no_file_names_a_machine_or_a_package_host(text_files: dict[str, str]) -> None:
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for name, text in text_files.items()
        for match in BANNED.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "banned"),
    [
        ("see /" + "work/main", True),
        ("files." + "pythonhosted" + ".org", True),
        ("in `src/work/`", False),
        ("a network/work/other", False),
    ],
)
def test_the_pattern_finds_what_it_should(text: str, banned: bool) -> None:
    assert bool(BANNED.search(text)) is banned
