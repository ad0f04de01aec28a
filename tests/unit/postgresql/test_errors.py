from __future__ import annotations

import pytest

from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    RejectedError,
    TransientError,
)
from bspump.postgresql.errors import transfer_errors

psycopg = pytest.importorskip("psycopg")


def translated(error):
    with pytest.raises(Exception) as found, transfer_errors("postgresql h:1/d"):  # noqa: PT011
        raise error
    assert found.value.__cause__ is error
    return found.value


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("08006", NotConnectedError),
        ("25006", NotConnectedError),
        ("57P01", NotConnectedError),
        ("57P03", NotConnectedError),
        ("40001", TransientError),
        ("40P01", TransientError),
        ("53300", TransientError),
        ("55006", TransientError),
        ("55P03", TransientError),
        ("57014", TransientError),
        ("XX000", TransientError),
        ("22001", RejectedError),
        ("23505", RejectedError),
        ("42804", RejectedError),
        ("P0001", RejectedError),
        ("28P01", ConfigError),
        ("3D000", ConfigError),
        ("42501", ConfigError),
        ("42P01", ConfigError),
        ("55000", ConfigError),
        ("0A000", ConfigError),
    ],
)
def test_the_state_of_the_server_says_what_to_do(state, expected):
    error = translated(psycopg.errors.lookup(state)("no luck"))
    assert type(error) is expected
    assert str(error) == f"postgresql h:1/d: no luck [SQLSTATE {state}]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('FATAL:  password authentication failed for user "x"', ConfigError),
        ('FATAL:  database "x" does not exist', ConfigError),
        ('FATAL:  role "x" does not exist', ConfigError),
        ("fe_sendauth: no password supplied", ConfigError),
        ('FATAL:  no pg_hba.conf entry for host "::1"', ConfigError),
        ("SSL error: certificate verify failed", ConfigError),
        ("FATAL:  the database system is starting up", TransientError),
        ("FATAL:  sorry, too many clients already", TransientError),
        ("FATAL:  remaining connection slots are reserved", TransientError),
        ("Connection refused", NotConnectedError),
        ("connection timeout expired", NotConnectedError),
        ("server closed the connection unexpectedly", NotConnectedError),
    ],
)
def test_the_text_says_it_where_there_is_no_state_yet(text, expected):
    assert type(translated(psycopg.OperationalError(text))) is expected


def test_what_psycopg_refuses_is_a_matter_of_the_event_or_the_connection():
    assert type(translated(psycopg.InterfaceError("closed"))) is NotConnectedError
    assert type(translated(psycopg.DataError("a zero"))) is RejectedError
    assert type(translated(psycopg.ProgrammingError("cannot adapt"))) is RejectedError


def test_a_value_that_cannot_be_encoded_is_rejected():
    with pytest.raises(RejectedError), transfer_errors("here"):
        "\ud800".encode()


def test_passwords_are_not_shown():
    assert "s3cret" not in str(translated(psycopg.OperationalError("bad: password=s3cret")))


def test_an_error_of_the_program_stays_one():
    with pytest.raises(KeyError), transfer_errors("here"):
        raise KeyError
