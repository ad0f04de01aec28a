"""The configuration as a whole: what wins, what includes what, and what is wrong with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ConfigError, ConfigErrors, OptionError
from bspump.abc.options import BatchOptions, Configurable
from bspump.core.config import Configuration


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a file and returns its path."""

    def file(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return file


def made(*files: str, **more: Any) -> Configuration:
    return Configuration(files, **{"environment": {}, **more})


def texts(configuration: Configuration) -> list[str]:
    return [str(problem) for problem in configuration.problems]


LAYERS = [
    "ConfigDefaults",
    "defaults",
    "file",
    "later file",
    "environment",
    "command line",
    "config=",
]


@given(st.sets(st.sampled_from(LAYERS), min_size=1))
def test_the_highest_layer_that_says_something_wins(tmp_path_factory, layers):
    folder = tmp_path_factory.getbasetemp()

    class Part(Configurable):
        ConfigDefaults = {"key": "ConfigDefaults"} if "ConfigDefaults" in layers else {}

    files = []
    for layer in ("file", "later file"):
        path = folder / f"{layer}.conf"
        path.write_text(f"[connection:A]\nkey = {layer}\n" if layer in layers else "")
        files.append(str(path))
    configuration = Configuration(
        files,
        environment={"BSPUMP__connection__A__key": "environment"}
        if "environment" in layers
        else {},
        settings=["[connection:A] key=command line"] if "command line" in layers else [],
    )
    if "defaults" in layers:
        configuration.add_defaults({"connection:A": {"key": "defaults"}})
    part = Part()
    part._configure(
        configuration, "connection:A", {"key": "config="} if "config=" in layers else None
    )
    assert part.Config["key"] == max(layers, key=LAYERS.index)


def test_a_program_that_sets_a_value_overrides_all():
    configuration = made(settings=["[a] x=1"])
    configuration.set("a", "x", 2)
    configuration.set("b", "y", 3)
    assert configuration.get("a", "x") == 2
    assert configuration["b"]["y"] == 3


def test_a_variable_names_the_section_and_the_key():
    configuration = made(
        environment={
            "BSPUMP__general__x": "1",
            "BSPUMP__pipeline__A__B__key": "$HOME ${x} $$",
            "BSPUMP__pipeline__A__B__batch__max_events": "5",
            "BSPUMP__connection__C__tls__verify": "no",
            "BSPUMP_OTHER": "x",
            "OTHER": "x",
        }
    )
    assert {section: dict(configuration[section]) for section in configuration} == {
        "general": {"x": "1"},
        "pipeline:A:B": {"key": "$HOME ${x} $$", "batch.max_events": "5"},
        "connection:C": {"tls.verify": "no"},
    }


@pytest.mark.parametrize("name", ["BSPUMP__", "BSPUMP__a", "BSPUMP__a__", "BSPUMP____b"])
def test_a_variable_whose_name_is_not_complete_is_a_problem(name):
    (error,) = texts(made(environment={name: "hunter2"}))
    assert error.startswith(f"environment {name}: ")
    assert "hunter2" not in error


def test_a_setting_may_contain_anything_behind_its_first_sign():
    configuration = made(settings=["[a:b] x = y=z:1 ", "[a:b] n.m: one\ntwo"])
    assert dict(configuration["a:b"]) == {"x": "y=z:1", "n.m": "one\ntwo"}


@pytest.mark.parametrize("setting", ["", "x=1", "[a]", "[a] x", "[] x=hunter2", "[a] =hunter2"])
def test_what_is_no_setting_is_a_problem(setting):
    (error,) = texts(made(settings=[setting]))
    assert "not a setting" in error
    assert "'[section] key=value'" in error
    assert "hunter2" not in error


def test_a_file_includes_others_in_their_order(file):
    file("more/b.conf", "[a]\nx = b\ny = b\n")
    file("more/a.toml", "[a]\nx = 'a'\nz = 'a'\n")
    file("last.yaml", "a: {x: last}\n")
    main = file(
        "main.conf", "[general]\ninclude = more/*\n  ./last.yaml\n[a]\nx = main\nw = main\n"
    )
    assert dict(made(main)["a"]) == {"x": "last", "w": "main", "z": "a", "y": "b"}


def test_a_list_of_files_to_include_may_be_written_in_many_ways(file):
    file("b.conf", "[a]\nb = 1")
    file("c.conf", "[a]\nc = 1")
    for name, text in (
        ("1.conf", "[general]\ninclude = b.conf:c.conf"),
        ("2.conf", "[general]\ninclude = b.conf; c.conf;"),
        ("3.toml", "[general]\ninclude = ['b.conf', 'c.conf']"),
    ):
        assert set(made(file(name, text))["a"]) == {"b", "c"}


def test_what_is_included_may_depend_on_the_environment_and_the_command_line(file, tmp_path):
    file("x.conf", "[a]\nx = 1")
    file("y.conf", "[a]\ny = 1")
    main = file("main.conf", "[general]\ninclude = ${env:DIR}/x.conf:${name}.conf")
    found = made(main, environment={"DIR": str(tmp_path)}, settings=["[general] name=y"])
    assert found.problems == []
    assert set(found["a"]) == {"x", "y"}
    overridden = made(main, settings=[f"[general] include={tmp_path}/y.conf", "[general] name=y"])
    assert "y" in overridden["a"]


def test_files_that_include_each_other_are_read_once(file):
    first = file("1.conf", "[general]\ninclude = 2.conf\n[a]\nx = 1")
    file("2.conf", "[general]\ninclude = 1.conf\n[a]\ny = 2")
    found = made(first)
    assert found.problems == []
    assert dict(found["a"]) == {"x": "1", "y": "2"}


def test_a_folder_name_with_brackets_is_no_pattern(file):
    file("[x]/b.conf", "[a]\nb = 1")
    assert dict(made(file("[x]/main.conf", "[general]\ninclude = b.conf"))["a"]) == {"b": "1"}


@pytest.mark.parametrize("pattern", ["nowhere.conf", "~nobody-of-that-name/x.conf", "${nowhere}/x"])
def test_a_file_to_include_that_is_not_there_is_a_problem(file, pattern):
    (error,) = texts(made(file("main.conf", f"[general]\n\ninclude = {pattern}\n")))
    assert "main.conf:3: [general] include: " in error


def test_a_pattern_that_matches_nothing_is_fine(file):
    assert made(file("main.conf", "[general]\ninclude = more/*.conf")).problems == []


def test_a_file_that_is_missing_is_a_problem():
    assert "nowhere.conf: the file cannot be read" in texts(made("nowhere.conf"))[0]


@pytest.fixture
def configuration(file) -> Configuration:
    text = """\
[a]
n = 5
x = 1.5
on = yes
age = 2m
url = http://h/
bad = five
password = hunter2
ref = ${nowhere}
"""
    return made(file("main.conf", text))


def test_readers_convert(configuration):
    for reader in (configuration, configuration["a"]):
        arguments = ["a"] if reader is configuration else []
        assert reader.getint(*arguments, "n") == 5
        assert reader.getfloat(*arguments, "x") == 1.5
        assert reader.getboolean(*arguments, "on") is True
        assert reader.getseconds(*arguments, "age") == 120.0
        assert reader.geturl(*arguments, "url") == "http://h"


def test_readers_have_fallbacks(configuration):
    assert configuration.get("a", "missing", fallback=None) is None
    assert configuration.get("missing", "n", fallback=3) == 3
    assert configuration.getint("a", "missing", fallback="5") == "5"
    assert configuration.getint("a", "n", fallback="5") == 5
    assert configuration["a"].getseconds("missing", fallback=1) == 1
    with pytest.raises(KeyError, match=r"\[a\] missing"):
        configuration.getint("a", "missing")


@pytest.mark.parametrize("reader", ["getint", "getfloat", "getboolean", "getseconds"])
def test_a_value_that_cannot_be_converted_says_where_it_stands(configuration, reader):
    with pytest.raises(OptionError) as caught:
        getattr(configuration, reader)("a", "bad")
    assert "main.conf:7: [a] bad: " in str(caught.value)
    assert "got: 'five'" in str(caught.value)


def test_no_secret_is_shown(configuration):
    with pytest.raises(OptionError) as caught:
        configuration.getint("a", "password")
    shown = [str(caught.value), repr(configuration), repr(configuration["a"])]
    assert "hunter2" not in "".join([*shown, repr(configuration.entries("a"))])


def test_it_is_read_like_a_mapping_of_mappings(configuration):
    assert configuration["a"]["n"] == "5"
    assert "a" in configuration
    assert "b" not in configuration
    assert configuration.get("b") is None
    assert list(configuration) == configuration.sections() == ["a"]
    assert len(configuration) == 1
    assert configuration.has_section("a")
    assert configuration.has_option("a", "n")
    assert not configuration.has_option("b", "n")
    assert isinstance(configuration["a"], Mapping)
    assert len(configuration["a"]) == 8
    assert configuration.options("a") == list(configuration["a"])
    for missing in ("configuration['b']", "configuration['a']['b']"):
        with pytest.raises(KeyError):
            eval(missing)  # noqa: S307 - what is evaluated stands one line above


def test_a_reference_that_leads_nowhere_is_reported_once_and_left_out(configuration):
    assert "ref" not in configuration.entries("a")
    configuration.entries("a")
    (error,) = texts(configuration)
    assert "main.conf:9: [a] ref: " in error
    with pytest.raises(OptionError):
        configuration.get("a", "ref")


class Part(Configurable):
    OptionsClass = BatchOptions

    def __init__(self, configuration: Configuration, section: str) -> None:
        self._configure(configuration, section, None)


def test_all_problems_are_raised_together(file):
    text = "x = 1\n[connection:A]\nmax_events = 0\nmax_aeg = 1\nmax_bytes = ${b}\n[connektion:A]\n"
    configuration = made(file("main.conf", text), settings=["nonsense"])
    Part(configuration, "connection:A")
    with pytest.raises(ConfigErrors) as caught:
        configuration.raise_if_wrong()
    message = str(caught.value)
    assert message.startswith("6 configuration errors [C000]\n")
    for fact in (
        "main.conf:1: an option outside of any section [C001]",
        "--set: not a setting",
        "main.conf:3: [connection:A] max_events: the value is not valid [C002]",
        "  expected: a whole number, at least 1\n  got: '0'",
        "main.conf:4: [connection:A] max_aeg: there is no such option [C002]",
        "  did you mean 'max_age'?",
        "main.conf:5: [connection:A] max_bytes: the value is not valid [C002]",
        "main.conf:6: section [connektion:A] belongs to nothing [C001]",
        "  did you mean [connection:A]?",
    ):
        assert fact in message


def test_a_section_of_a_component_that_does_not_exist_is_an_error(file):
    text = "[pipeline:A:B]\nx = 1\n[pipeline:A:Sink]\ny = 1"
    configuration = made(file("main.conf", text))
    configuration.entries("pipeline:A:Sink")
    with pytest.raises(ConfigErrors, match=r"section \[pipeline:A:B\] belongs to nothing"):
        configuration.raise_if_wrong()


def test_a_variable_for_a_component_that_does_not_exist_is_an_error():
    configuration = made(environment={"BSPUMP__connection__A__url": "x"})
    with pytest.raises(ConfigErrors, match="environment BSPUMP__connection__A__url"):
        configuration.raise_if_wrong()


def test_a_section_that_may_have_its_reader_is_only_logged(file, caplog):
    configuration = made(file("main.conf", "[elastic]\nx = 1\n[general]\n[asab:web]\n[mine]\n"))
    configuration.get("mine", "x", fallback=None)
    with caplog.at_level(logging.WARNING):
        configuration.raise_if_wrong()
    assert [record.fields["section"] for record in caplog.records] == ["elastic"]


def test_a_section_that_is_referred_to_is_used(file, caplog):
    configuration = made(file("main.conf", "[a]\nx = ${shared:host}\n[shared]\nhost = h\n"))
    assert configuration.get("a", "x") == "h"
    configuration.raise_if_wrong()
    assert caplog.records == []


def test_what_is_wrong_with_a_component_of_run_time_is_raised_at_once():
    configuration = made(settings=["[connection:A] max_events=0"])
    configuration.set("connection:A", "max_events", 5)
    Part(configuration, "connection:A")
    configuration.raise_if_wrong()
    configuration.set("connection:A", "max_events", 0)
    with pytest.raises(OptionError, match="program"):
        Part(configuration, "connection:A")


def test_the_same_problem_is_kept_once():
    configuration = made()
    for _ in range(2):
        configuration.report(ConfigError("the same"))
    assert texts(configuration) == ["the same"]
