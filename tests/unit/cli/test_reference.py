"""The reference of parts: all of them, with everything they can be told."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

import pytest
from msgspec import Meta

import bspump
from bspump.abc.options import Duration
from bspump.cli import reference


class ExampleOptions(bspump.Options, frozen=True, kw_only=True):
    topic: Annotated[str, Meta(description="What is read | written.")]
    age: Annotated[Duration, Meta(description="So long.")] = 60.0
    verify: bool = True
    names: list[str] = []


class Example(bspump.BatchSink):
    """Write events.

    Nothing is lost.

    Args:
        app: not for operators.
    """

    OptionsClass = ExampleOptions
    ConfigDefaults = {"age": 30.0, "other": "x"}
    Capabilities = bspump.Can.PARTIAL | bspump.Can.IDEMPOTENT


@pytest.fixture
def package() -> ModuleType:
    module = ModuleType("bspump.example", "Example parts.")
    module.Example, module.number = Example, 5
    module.__all__ = ["Example", "number"]
    return module


def test_a_page_says_what_a_part_does_promises_and_can_be_told(package):
    assert (
        reference.page(package)
        == """\
<!-- Made from the code by `bspump.cli.reference`; do not edit. -->

# bspump.example

Example parts.

## Example

Write events.

Nothing is lost.

`bspump.example.Example`, a sink, in batches. Section `[pipeline:<PipelineId>:Example]`.
Promises: `PARTIAL`, `IDEMPOTENT`.

| option | is | default | |
|---|---|---|---|
| `topic` | text | **required** | What is read &#124; written. |
| `age` | a duration | `30` | So long. |
| `verify` | yes or no | `yes` |  |
| `names` | a list, each text |  |  |
| `other` |  | `x` |  |
"""
    )


def test_a_package_without_parts_has_no_page(package):
    package.__all__ = ["number"]
    assert reference.page(package) is None


@pytest.fixture
def made(package, monkeypatch):
    """Let the package be the only one there is."""
    monkeypatch.setattr(reference, "pages", lambda: {"example.md": reference.page(package)})


@pytest.mark.usefixtures("made")
def test_pages_are_written_and_those_of_no_package_deleted(tmp_path):
    folder = tmp_path / "reference"
    folder.mkdir()
    (folder / "old.md").write_text(
        "<!-- Made from the code by `bspump.cli.reference`; do not edit. -->"
    )
    (folder / "index.md").write_text("written by hand")
    assert reference.write_reference(folder) == [folder / "example.md"]
    assert sorted(path.name for path in folder.iterdir()) == ["example.md", "index.md"]
    assert reference.stale_pages(folder) == []


@pytest.mark.usefixtures("made")
def test_a_page_that_is_missing_or_differs_is_stale(tmp_path):
    assert reference.stale_pages(tmp_path) == ["example.md"]
    reference.write_reference(tmp_path)
    (tmp_path / "example.md").write_text("changed")
    assert reference.stale_pages(tmp_path) == ["example.md"]
