"""Names of output files come from a template."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest

from bspump.abc.errors import ConfigError
from bspump.file.names import NameTemplate

AT_S = 1_700_000_000.0


def template(text):
    return NameTemplate(text, pipeline="My/Log", sink="Out")


@pytest.mark.parametrize(
    ("text", "index", "expected"),
    [
        ("out.json", 0, "out.json"),
        ("out.json.gz", 2, "out-2.json.gz"),
        ("a.b/out", 1, "a.b/out-1"),
        ("{index:03}.json", 7, "007.json"),
        ("{pipeline}-{sink}.json", 0, "My_Log-Out.json"),
        ("{time:%Y/%m/%d}/{index}.json", 1, "2023/11/14/1.json"),
        ("{time:%H%M%S}.json", 1, "221320-1.json"),
    ],
)
def test_a_template_gives_the_names_of_files(text, index, expected):
    assert template(text).path(index, AT_S).as_posix() == expected


@pytest.mark.parametrize("text", ["", " ", "out/", "{other}.json", "{index", "{index!z}", "{time:"])
def test_what_is_no_template_is_an_error_that_names_the_fields(text):
    with pytest.raises(ConfigError, match=r"\{index\}, \{pipeline\}, \{sink\}, \{time\}"):
        template(text)


@pytest.mark.parametrize(
    "text",
    [
        "o[u]t.json",
        "out/{index:05}.json",
        "{time:%Y/%m}/{pipeline}-{index}.json.gz",
        "{time}.x",
        "./a//b.txt",
    ],
)
def test_temporary_names_are_found_and_recognised(text):
    names = template(text)
    for index in (0, 3, 12345678):
        path = names.path(index, AT_S)
        temporary = path.with_name(f".{path.name}.part")
        assert fnmatch.fnmatchcase(temporary.as_posix(), names.temporary_glob()), temporary
        assert names.is_temporary(temporary), temporary


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("out.json", ".output.json.part"),
        ("out.json", ".out-x.json.part"),
        ("out.json", ".out.json.gz.part"),
        ("out/a-{index}.json", "out/.b-1.json.part"),
        ("out/a-{index}.json", "out/.a-x.json.part"),
        ("{time:%Y}/{index}", "2023/.x.part"),
    ],
)
def test_temporary_names_of_others_are_not_taken_for_ours(text, other):
    assert not template(text).is_temporary(Path(other))
