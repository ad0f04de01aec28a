"""What statuses, exceptions and waits mean."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import format_datetime

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ConfigError, NotConnectedError, RejectedError, TransientError
from bspump.clients.http.errors import shown_url, status_error, transfer_errors
from bspump.clients.http.retry_after import LONGEST_S, retry_after_s, wait_s

NOW_S = 1_700_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0), ("120", 120), (" 7 ", 7), ("1.5", 1.5), ("-3", 0), ("99999999", LONGEST_S),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30),
        ("Tue Nov 14 22:13:50 2023", 30),
        ("Tue, 14 Nov 2023 21:00:00 GMT", 0),
        ("Tue, 14 Nov 9999 22:13:50 GMT", LONGEST_S),
        ("soon", 0), ("", 0), (None, 0), ("nan", 0), ("inf", 0), ("1e999", 0),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(value, seconds):
    assert retry_after_s(value, now_s=NOW_S) == seconds


@given(st.text(max_size=40))
def test_no_retry_after_breaks_the_parser(value):
    assert 0 <= retry_after_s(value, now_s=NOW_S) <= LONGEST_S


@given(st.integers(0, 3600))
def test_a_date_means_the_time_until_then(seconds):
    date = format_datetime(datetime.fromtimestamp(NOW_S + seconds, tz=UTC), usegmt=True)
    assert retry_after_s(date, now_s=NOW_S) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "5", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}, 5),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}, 9),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW_S + 9)}, 9),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "9"}, 9),
        ({"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "9"}, 0),
        ({"X-RateLimit-Remaining": "0"}, 0),
        ({"X-RateLimit-Remaining": "?", "X-RateLimit-Reset": "?"}, 0),
        ({}, 0),
    ],
)
def test_a_used_up_limit_says_when_it_begins_anew(headers, seconds):
    assert wait_s(headers, now_s=NOW_S) == seconds


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_has_an_instruction(status):
    error = status_error(status, {}, where="GET http://h/", now_s=NOW_S)
    assert isinstance(error, ConfigError | TransientError | RejectedError)
    assert f"GET http://h/: the server answered {status}" in str(error)


def test_a_403_that_asks_for_a_wait_is_a_limit_of_rate():
    error = status_error(403, {"Retry-After": "9"}, where="GET x", now_s=NOW_S)
    assert isinstance(error, TransientError)
    assert error.retry_after_s == 9


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (aiohttp.ConnectionTimeoutError(), NotConnectedError),
        (aiohttp.SocketTimeoutError(), TransientError),
        (TimeoutError(), TransientError),
        (aiohttp.ServerDisconnectedError(), NotConnectedError),
        (aiohttp.ClientPayloadError(), NotConnectedError),
        (aiohttp.InvalidURL("x"), ConfigError),
        (aiohttp.InvalidUrlRedirectClientError("x"), TransientError),
        (ConnectionResetError(), NotConnectedError),
    ],
)
def test_exceptions_of_the_library_are_translated(raised, error):
    with (
        pytest.raises(error, match=r"^GET http://h/: .") as caught,
        transfer_errors("GET http://h/"),
    ):
        raise raised
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), KeyError("bug"), RejectedError("x")])
def test_everything_else_passes_through(raised):
    with pytest.raises(type(raised)) as caught, transfer_errors("GET http://h/"):
        raise raised
    assert caught.value is raised


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://joe:pa:ss@h:1/p?token=x#y", "https://h:1/p"),
        ("http://h", "http://h"),
        ("https://h/@me", "https://h/@me"),
        ("joe:secret@h/x", "joe:h/x"),
        ("nonsense", "nonsense"),
        ("http://[::1", "(no URL)"),
    ],
)
def test_a_url_is_shown_without_secrets(url, shown):
    assert shown_url(url) == shown
