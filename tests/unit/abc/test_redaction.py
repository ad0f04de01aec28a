"""What must stay secret is found by its name, in URLs, and behind `password=`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.redaction import is_secret, redact, redact_text

SECRETS = """
    password Password sasl.password key_password dbPassword secret client_secret token api_key
    apiKey X-Api-Key private_key Authorization Set-Cookie passphrase pwd pass headers.Authorization
    credentials
"""


@pytest.mark.parametrize("name", SECRETS.split())
def test_these_names_are_of_secrets(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["tokens_per_s", "key", "url", "passed", "bypass", "secretary", "primary_key", "compass", ""],
)
def test_these_names_are_not(name):
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("redis://:hunter2@host", "redis://:***@host"),
        ("amqp://joe:hunter2@host/v, http://a:hunter2@b", "amqp://joe:***@host/v, http://a:***@b"),
        ("postgres://joe:p@ss@host/db", "postgres://joe:***@host/db"),
        ("host=h password=hunter2 port=1", "host=h password=*** port=1"),
        ("Password = 'hunter 2'; x", "Password = ***; x"),
        ("/path?access_token=hunter2&page=1", "/path?access_token=***&page=1"),
        ("page=1", "page=1"),
    ],
)
def test_secrets_inside_of_texts_are_masked(text, shown):
    assert redact_text(text) == shown


@given(st.text(st.characters(exclude_characters="/ @:", exclude_categories=["Z", "C"]), min_size=3))
def test_whatever_stands_for_a_password_in_a_url_is_gone(password):
    assert redact_text(f"https://joe:{password}@host/path") == "https://joe:***@host/path"


def test_redacting_goes_into_mappings_and_lists_and_copies_them():
    value = {"a": [{"token": "hunter2", "n": 1}], "b": ("http://j:hunter2@h", None)}
    assert redact(value) == {"a": [{"token": "***", "n": 1}], "b": ["http://j:***@h", None]}
    assert value["a"][0]["token"] == "hunter2"


def test_a_secret_that_is_not_set_may_be_seen_to_be_so():
    assert redact({"password": None}) == {"password": None}


def test_what_contains_itself_comes_to_an_end():
    value: dict[str, object] = {}
    value["again"] = value
    assert "…" in repr(redact(value))
