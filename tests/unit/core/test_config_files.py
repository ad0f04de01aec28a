"""Configuration files: INI, TOML and YAML say the same, and say where something is wrong."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.core.config_files import read_file


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a file of that name and content."""

    def read(name: str, text: str | bytes):
        path = tmp_path / name
        if isinstance(text, str):
            text = textwrap.dedent(text).encode()
        path.write_bytes(text)
        return read_file(path)

    return read


def values(content):
    assert content.problems == []
    return {
        section: {key: entry.value for key, entry in entries.items()}
        for section, entries in content.sections.items()
    }


def places(content):
    return {
        (section, key): entry.place.rpartition(":")[2]
        for section, entries in content.sections.items()
        for key, entry in entries.items()
    }


def errors(content):
    return [str(problem) for problem in content.problems]


INI = """\
[general]
include = more/*.conf

[pipeline:Sample:Sink]
url = http://host/#part;x=1
batch.max_events = 10
verify = no
country = no
start = 2024-01-02
time = 12:30:00
id = 007
empty =

[connection:K]
"""
TOML = """\
[general]
include = "more/*.conf"

[pipeline.Sample.Sink]
url = "http://host/#part;x=1"
batch.max_events = 10
verify = false
country = "no"
start = 2024-01-02
time = 12:30:00
id = "007"
empty = ""

[connection.K]
"""
YAML = """\
general:
  include: more/*.conf

pipeline:
  Sample:
    Sink:
      url: http://host/#part;x=1
      batch:
        max_events: 10
      verify: false
      country: no
      start: 2024-01-02
      time: 12:30:00
      id: 007
      empty:

connection:
  K:
"""


def test_the_three_formats_say_the_same(read):
    ini = values(read("a.conf", INI))
    expected = {
        "url": "http://host/#part;x=1",
        "batch.max_events": "10",
        "verify": "no",
        "country": "no",
        "start": "2024-01-02",
        "time": "12:30:00",
        "id": "007",
        "empty": "",
    }
    assert ini == {
        "general": {"include": "more/*.conf"},
        "pipeline:Sample:Sink": expected,
        "connection:K": {},
    }
    typed = {**ini, "pipeline:Sample:Sink": {**expected, "batch.max_events": 10, "verify": False}}
    assert values(read("a.toml", TOML)) == typed
    assert values(read("a.yaml", YAML)) == typed
    assert values(read("a.yml", YAML)) == typed


def test_every_option_knows_its_line(read):
    key = ("pipeline:Sample:Sink", "batch.max_events")
    assert places(read("a.conf", INI))[key] == "6"
    assert places(read("a.toml", TOML))[key] == "6"
    assert places(read("a.yaml", YAML))[key] == "9"


def test_every_section_knows_its_line(read):
    for name, text, lines in (
        ("a.conf", INI, ["1", "4", "14"]),
        ("a.toml", TOML, ["1", "4", "14"]),
        ("a.yaml", YAML, ["1", "6", "18"]),
    ):
        found = read(name, text).places.values()
        assert [place.rpartition(":")[2] for place in found] == lines


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", '["pipeline:A:B"]\nk.x = "v"\n[general]\n'),
        ("b.toml", '[pipeline]\n"A:B".k.x = "v"\n[general]\n'),
        ("c.toml", '[pipeline.A.B.k]\nx = "v"\n[general]\n'),
        ("a.yaml", "pipeline:A:B: {k.x: v}\ngeneral:\n"),
        ("b.yaml", "pipeline:\n  A:B:\n    k: {x: v}\ngeneral: {}\n"),
        ("a.conf", "[pipeline:A:B]\nk.x: v\n[general]"),
    ],
)
def test_a_section_may_be_written_as_it_is_or_as_tables(read, name, text):
    assert values(read(name, text)) == {"pipeline:A:B": {"k.x": "v"}, "general": {}}


def test_tables_of_a_section_that_is_no_component_are_sections(read):
    assert values(read("a.toml", "[asab.metrics]\ntarget = 'x'")) == {
        "asab:metrics": {"target": "x"}
    }
    assert values(read("a.toml", "[web.tls]\ncert = 'x'")) == {"web": {"tls.cert": "x"}}


def test_an_ini_value_goes_on_in_indented_lines(read):
    text = """\
        [a]
        # comment
        one =
          first
          ; comment
          second = x

          [third]
        two = # no comment
        """
    assert values(read("a.conf", text)) == {
        "a": {"one": "first\nsecond = x\n\n[third]", "two": "# no comment"}
    }


def test_only_line_feeds_end_a_line(read):
    text = "[a]\nx = one\u2028two\x0cthree\x85four\ny = 2\r\n"
    found = read("a.conf", text)
    assert values(found) == {"a": {"x": "one\u2028two\x0cthree\x85four", "y": "2"}}
    assert places(found)["a", "y"] == "3"


def test_a_section_may_be_continued(read):
    assert values(read("a.conf", "[a]\nx=1\n[b]\n[a] # again\ny=2")) == {
        "a": {"x": "1", "y": "2"},
        "b": {},
    }


def test_keys_keep_their_case_and_a_byte_order_mark_is_ignored(read):
    assert values(read("a.conf", "\ufeff[A]\nKey = V")) == {"A": {"Key": "V"}}


def test_all_wrong_lines_of_an_ini_file_are_found(read):
    text = """\
        orphan = 1
        [a]
        x = 1
        x = 2
          continued
        password hunter2
        [a]
        x = 3
        """
    found = errors(read("a.conf", text))
    where = [error.partition(": ")[0].rpartition(":")[2] for error in found]
    assert where == ["1", "4", "6", "8"]
    assert "an option outside of any section" in found[0]
    assert "[a] x is there twice [C001]" in found[1]
    assert "the first one at" in found[1]
    assert "a line that is no option" in found[2]
    assert "password" in found[2]
    assert "hunter2" not in found[2]


def test_a_yaml_anchor_can_be_merged(read):
    text = """\
        connection:
          A: &base {url: x, port: 1}
          B:
            <<: *base
            port: 2
        """
    assert values(read("a.yaml", text))["connection:B"] == {"url": "x", "port": 2}


def test_lists_and_nothing_inside_of_them_are_kept(read):
    assert values(read("a.yaml", "a: {x: [1, two, 2024-01-02, ~]}")) == {
        "a": {"x": [1, "two", "2024-01-02", ""]}
    }
    assert values(read("a.toml", "[a]\nx = [1, 'two', 2024-01-02]")) == {
        "a": {"x": [1, "two", "2024-01-02"]}
    }


@pytest.mark.parametrize(
    ("name", "text", "line", "got"),
    [
        ("a.toml", "[a]\nx = \n", ":2", "Invalid value"),
        ("a.toml", "[a]\nx = 'open", ":2", "'"),
        ("a.toml", "[a]\nx = 1\nx = 2", ":3", "overwrite"),
        ("a.toml", "[a]\nx = " + "[" * 5000, "", "too many levels"),
        ("a.yaml", "a:\n\tx: 1", ":2", "cannot start any token"),
        ("a.yaml", "a: [1", ":1", "expected"),
        ("a.yaml", "a: !!python/name:os.system x", ":1", "constructor"),
        ("a.yaml", "a: {x: *nowhere}", ":1", "undefined alias"),
        ("a.yaml", "a: &a {x: *a}", ":1", "too many levels"),
        ("a.yaml", "a: {x: &a [*a]}", ":1", "recursive"),
        ("a.yaml", "a: {x: " + "[" * 5000, "", "too many levels"),
        ("a.yaml", "a: {? [b] : 1}", ":1", "a key that is not text"),
        ("a.yaml", "a: {x: \x01}", "", "special characters"),
        ("a.yaml", "a: 1\n---\nb: 1", ":2", "another document"),
        ("a.yaml", "- a\n- b", ":1", "something else"),
        ("a.yaml", "a: {x: 1, x: 2}", ":1", "the first one at"),
        ("a.yaml", "x: 1", ":1", "the key 'x'"),
        ("a.toml", "x = 1", ":1", "the key 'x'"),
        ("a.conf", b"[a]\nx = \xff", "", "offset 8"),
        ("a.toml", b"[a]\nx = '\xff'", "", "offset 9"),
    ],
)
def test_a_file_that_is_wrong_says_where_and_why(read, tmp_path, name, text, line, got):
    (error,) = errors(read(name, text))
    assert error.startswith(f"{tmp_path / name}{line}: ")
    assert "[C001]\n  expected: " in error
    assert got in error.partition("\n  got: ")[2]


def test_a_file_that_is_empty_says_nothing(read):
    for name in ("a.conf", "a.toml", "a.yaml"):
        assert values(read(name, "# nothing\n")) == {}


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path):
    assert "No such file" in errors(read_file(tmp_path / "nowhere.conf"))[0]
    assert "directory" in errors(read_file(tmp_path))[0]
    assert "null" in errors(read_file(tmp_path / "a\0b"))[0]


@given(st.text(), st.sampled_from(["a.conf", "a.toml", "a.yaml"]))
def test_any_text_is_sections_or_problems(tmp_path_factory, text, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    content = read_file(path)
    assert set(content.places) == set(content.sections)
    for problem in content.problems:
        assert str(problem).startswith(str(path))


KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1).map(
    lambda t: f"v{t}v"
)


@given(
    st.dictionaries(
        KEYS.map("pipeline:A:{}".format), st.dictionaries(KEYS, TEXTS, min_size=1), min_size=1
    )
)
def test_whatever_is_written_is_read_again_in_each_format(tmp_path_factory, sections):
    folder = tmp_path_factory.getbasetemp()
    ini = "".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
        for section, options in sections.items()
    )
    toml = "".join(
        f'["{section}"]\n' + "".join(f'{key} = "{value}"\n' for key, value in options.items())
        for section, options in sections.items()
    )
    yaml = "pipeline:\n  A:\n" + "".join(
        f"    {section.rpartition(':')[2]}:\n"
        + "".join(f"      {key}: {value}\n" for key, value in options.items())
        for section, options in sections.items()
    )
    for name, text in (("p.conf", ini), ("p.toml", toml), ("p.yaml", yaml)):
        (folder / name).write_text(text, encoding="utf-8")
        assert values(read_file(folder / name)) == sections
