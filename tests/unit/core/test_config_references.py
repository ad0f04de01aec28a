"""References inside values: to options, variables and files, and never in a circle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.config import Entry
from bspump.abc.errors import OptionError
from bspump.core.config_references import resolve

OPTIONS: dict[tuple[str, str], Any] = {
    ("a", "host"): "h",
    ("a", "port"): 9200,
    ("a", "hosts"): ["h1", "${host}"],
    ("a", "url"): "http://${host}:${port}/",
    ("connection:C", "user"): "joe",
    ("a", "one"): "${two}",
    ("a", "two"): "x ${b:three}",
    ("b", "three"): "${a:one}",
    ("a", "dangling"): "${b:missing}",
}
ENVIRONMENT = {"HOME": "/home/ann", "DOLLARS": "${host} $HOME $$"}


def resolved(value: Any, key: str = "key") -> Any:
    def option(section: str, key: str) -> Entry | None:
        found = OPTIONS.get((section, key))
        return None if found is None else Entry(found, f"pump.conf:{section}.{key}")

    return resolve(Entry(value, "pump.conf:1"), "a", key, option, ENVIRONMENT)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("plain", "plain"),
        ("${host}", "h"),
        ("${a:host}-${a:port}", "h-9200"),
        ("${connection:C:user}", "joe"),
        ("${url}path", "http://h:9200/path"),
        ("${env:HOME}/x", "/home/ann/x"),
        ("${env:MISSING:/a:x}", "/a:x"),
        ("${env:MISSING:}", ""),
        ("$HOME and ${HOME}", "/home/ann and /home/ann"),
        ("pa$word $5 $ ${", "pa$word $5 $ ${"),
        ("$$HOME $$$$ $${host}", "$HOME $$ ${host}"),
        (5, 5),
        (None, None),
        (["${host}", {"x": "${port}!"}], ["h", {"x": "9200!"}]),
    ],
)
def test_references_are_replaced(value, found):
    assert resolved(value) == found


def test_a_value_that_is_one_reference_keeps_the_type():
    assert resolved("${port}") == 9200
    assert resolved("${hosts}") == ["h1", "h"]


def test_what_comes_out_of_the_environment_is_not_searched_again():
    assert resolved("${env:DOLLARS}") == resolved("$DOLLARS") == "${host} $HOME $$"


def test_a_file_is_read_without_its_line_end(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hunter2 ${host}\r\n")
    assert resolved(f"Bearer ${{file:{secret}}}") == "Bearer hunter2 ${host}"


def test_a_file_may_be_in_the_home_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    Path(tmp_path / "secret").write_text("x")
    assert resolved("${file:~/secret}") == "x"


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ("${missing}", "[a] has no option 'missing', nor is there such an environment variable"),
        ("${b:missing}", "[b] has no option 'missing'"),
        ("${}", "[a] has no option ''"),
        ("${env:MISSING}", "the environment variable 'MISSING' is not set"),
        ("${file:/nowhere}", "the file '/nowhere': No such file"),
        ("${file:~nobody-of-that-name/x}", "the file '~nobody-of-that-name/x': "),
        ("${file:a\0b}", "null"),
        (["fine", {"x": "${missing}"}], "[a] has no option 'missing'"),
    ],
)
def test_a_reference_that_leads_nowhere_says_where_it_stands(value, got):
    with pytest.raises(OptionError) as caught:
        resolved(value)
    assert (caught.value.place, caught.value.section, caught.value.key) == (
        "pump.conf:1",
        "a",
        "key",
    )
    assert got in caught.value.got


def test_a_file_that_is_no_text_is_refused(tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff")
    with pytest.raises(OptionError, match="not text in UTF-8"):
        resolved(f"${{file:{binary}}}")


def test_a_reference_that_leads_nowhere_further_on_says_so_there():
    with pytest.raises(OptionError) as caught:
        resolved("${dangling}")
    assert (caught.value.place, caught.value.key) == ("pump.conf:a.dangling", "dangling")


def test_a_circle_is_shown():
    with pytest.raises(OptionError) as caught:
        resolved("${one}")
    circle = "[a] key -> [a] one -> [a] two -> [b] three -> [a] one"
    assert caught.value.got == circle
    with pytest.raises(OptionError, match="does not refer to itself"):
        resolved("${host}${url}${key}", key="host")


@given(st.text())
def test_a_text_with_doubled_dollars_stays_as_it_is(text):
    assert resolved(text.replace("$", "$$")) == text


@given(st.text(st.sampled_from("${}:ab env host file")))
def test_any_text_is_resolved_or_refused(text):
    try:
        assert isinstance(resolved(text), str | int | list)
    except OptionError as error:
        assert error.section in ("a", "b")  # noqa: PT017 - a text may also be valid
