"""Syslog messages to dicts: the examples of RFC 3164 and RFC 5424, and what senders write."""

from __future__ import annotations

import datetime
import time
import zoneinfo

import pytest

from bspump.abc.errors import RejectedError
from bspump.formats.syslog import parse_syslog


def ms(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp() * 1000)


NOW_MS = ms("2024-03-01T12:00:00Z")


def parse(data: bytes, **options):
    """Parse `data`; leave out what the message does not say."""
    event = parse_syslog(data, reference_ms=NOW_MS, **options)
    return {key: value for key, value in event.items() if value not in (None, {}, "")}


def heads(rfc: int, priority: tuple[int, str, int, str]) -> dict[str, object]:
    facility, facility_name, severity, severity_name = priority
    return {
        "rfc": rfc,
        "facility": facility,
        "facility_name": facility_name,
        "severity": severity,
        "severity_name": severity_name,
    }


# RFC 5424, section 6.5.
def test_rfc5424_example_1_has_no_structured_data():
    data = (
        b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - "
        b"\xef\xbb\xbf'su root' failed for lonvick on /dev/pts/8"
    )
    assert parse(data) == heads(5424, (4, "auth", 2, "crit")) | {
        "timestamp_ms": ms("2003-10-11T22:14:15.003Z"),
        "hostname": "mymachine.example.com",
        "app_name": "su",
        "msg_id": "ID47",
        "message": "'su root' failed for lonvick on /dev/pts/8",
    }


def test_rfc5424_example_2_has_a_process_id_and_an_offset():
    data = (
        b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - "
        b"%% It's time to make the do-nuts."
    )
    assert parse(data) == heads(5424, (20, "local4", 5, "notice")) | {
        "timestamp_ms": ms("2003-08-24T12:14:15Z"),
        "hostname": "192.0.2.1",
        "app_name": "myproc",
        "proc_id": "8710",
        "message": "%% It's time to make the do-nuts.",
    }


def test_rfc5424_example_3_has_structured_data():
    data = (
        b"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
        b'[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] '
        b"\xef\xbb\xbfAn application event log entry..."
    )
    event = parse(data)
    assert event["structured_data"] == {
        "exampleSDID@32473": {"iut": "3", "eventSource": "Application", "eventID": "1011"}
    }
    assert event["message"] == "An application event log entry..."


def test_rfc5424_example_4_has_structured_data_only():
    data = (
        b"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
        b'[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"]'
        b'[examplePriority@32473 class="high"]'
    )
    event = parse(data)
    assert event["structured_data"]["examplePriority@32473"] == {"class": "high"}
    assert "message" not in event


# RFC 5424, section 6.2.3.1.
@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        (b"1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520Z"),
        (b"1985-04-12T19:20:50.52-04:00", "1985-04-12T23:20:50.520Z"),
        (b"2003-08-24T05:14:15.000003-07:00", "2003-08-24T12:14:15Z"),
    ],
)
def test_rfc5424_timestamps_are_read(stamp, moment):
    assert parse(b"<1>1 " + stamp + b" - - - - -")["timestamp_ms"] == ms(moment)


def test_all_may_be_missing_but_priority_and_version():
    assert parse(b"<0>1 - - - - - -") == heads(5424, (0, "kern", 0, "emerg"))


def test_escapes_and_repeated_names_in_structured_data_are_read():
    event = parse(rb'<1>1 - - - - - [a x="1" x="2" x="3" y="\"\\\]\n" z=""][b] m')
    assert event["structured_data"] == {
        "a": {"x": ["1", "2", "3"], "y": '"\\]\\n', "z": ""},
        "b": {},
    }
    assert event["message"] == "m"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"no priority", "a priority such as '<13>' at position 0"),
        (b"", "a priority such as '<13>' at position 0"),
        (b"<192>1 - - - - - -", "a priority of 0 to 191 at position 1"),
        (b"<1>1 2003-10-11 - - - - -", "a timestamp or '-' at position 5"),
        (b"<1>1 2003-10-11T22:14:15.0000003Z - - - - -", "a timestamp or '-' at position 5"),
        (b"<1>1 2003-02-30T22:14:15Z - - - - -", "a time that exists"),
        (b"<1>1 - host", "a hostname or '-' at position 7"),
        (b"<1>1 - - - - ", "a message id or '-' at position 13"),
        (b"<1>1 - - - - - ", "structured data such as"),
        (b'<1>1 - - - - - [a x="1]', "structured data such as"),
        (b"<1>1 - - - - - [a x=1]", "structured data such as"),
        (b"<1>1 - - - - - [a][a]", "element 'a' once"),
        (b"<1>1 - - - - - -message", "a space before the message at position 16"),
        (b"<1>Feb 30 12:00:00 host app: m", "a time that exists"),
        (b"<1>Jan  1 25:00:00 host app: m", "a time that exists"),
    ],
)
def test_a_malformed_message_is_rejected_with_the_position(data, expected):
    with pytest.raises(RejectedError) as caught:
        parse(data)
    assert str(caught.value).startswith("syslog: expected ")
    assert expected in str(caught.value)


# RFC 3164, section 5.4.
def test_rfc3164_example_1_has_a_host_and_a_tag():
    assert parse(b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick") == heads(
        3164, (4, "auth", 2, "crit")
    ) | {
        "timestamp_ms": ms("2023-10-11T22:14:15Z"),
        "hostname": "mymachine",
        "app_name": "su",
        "message": "'su root' failed for lonvick",
    }


def test_rfc3164_example_2_is_nothing_but_a_message():
    assert parse(b"Use the BFG!", default_priority=13) == heads(3164, (1, "user", 5, "notice")) | {
        "message": "Use the BFG!"
    }
    assert parse(b"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!") == heads(
        3164, (1, "user", 5, "notice")
    ) | {
        "timestamp_ms": ms("2024-02-05T17:32:18Z"),
        "hostname": "10.0.0.99",
        "message": "Use the BFG!",
    }


def test_rfc3164_example_4_has_a_form_of_its_own_and_stays_whole():
    text = (
        b"1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!"
    )
    assert parse(b"<0>" + text)["message"] == text.decode()


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (b"Mar  1 11:00:00 host app[77]: m", ("host", "app", "77", "m")),
        (b"Mar  1 11:00:00 app[77]: m", (None, "app", "77", "m")),
        (b"Mar  1 11:00:00 fe80::1 app: m", ("fe80::1", "app", None, "m")),
        (b"Mar  1 11:00:00 host postfix/smtpd[1]: m", ("host", "postfix/smtpd", "1", "m")),
        (b"Mar  1 11:00:00 host app[77] m", ("host", "app", "77", "m")),
        (b"Mar  1 11:00:00 - app: m", (None, "app", None, "m")),
        (b"Mar 01 11:00:00.250 host app: m", ("host", "app", None, "m")),
        (b"Mar  1 2024 11:00:00: host app: m", ("host", "app", None, "m")),
        (b"2024-03-01T12:00:00+01:00 host app: m", ("host", "app", None, "m")),
    ],
)
def test_what_senders_make_of_rfc3164_is_read(rest, expected):
    event = parse_syslog(b"<13>" + rest + b"\n\0", reference_ms=NOW_MS)
    found = (event["hostname"], event["app_name"], event["proc_id"], event["message"])
    assert found == expected
    assert event["timestamp_ms"] // 1000 * 1000 == ms("2024-03-01T11:00:00Z")


@pytest.mark.parametrize(
    ("stamp", "reference", "moment"),
    [
        (b"Dec 31 23:59:59", "2024-01-01T00:00:05Z", "2023-12-31T23:59:59Z"),
        (b"Jan  1 00:00:05", "2023-12-31T23:59:59Z", "2024-01-01T00:00:05Z"),
        (b"Jan  3 00:00:05", "2023-12-31T23:59:59Z", "2023-01-03T00:00:05Z"),
        (b"Feb 29 12:00:00", "2026-01-01T00:00:00Z", "2024-02-29T12:00:00Z"),
        (b"Feb 29 12:00:00", "1903-03-01T00:00:00Z", "1896-02-29T12:00:00Z"),
    ],
)
def test_the_year_that_rfc3164_lacks_is_the_latest_that_fits(stamp, reference, moment):
    event = parse_syslog(b"<13>" + stamp + b" host app: m", reference_ms=ms(reference))
    assert event["timestamp_ms"] == ms(moment)


def test_times_without_a_zone_are_of_the_zone_that_is_given():
    event = parse(b"<13>Jul  1 12:00:00 h a: m", zone=zoneinfo.ZoneInfo("Europe/Prague"))
    assert event["timestamp_ms"] == ms("2023-07-01T10:00:00Z")


def test_bytes_that_are_not_utf8_become_escapes():
    assert parse(b"<13>Mar  1 11:00:00 h a: caf\xe9 \xc5\xbe")["message"] == "caf\\xe9 ž"


def test_a_hostile_message_costs_no_more_than_its_length():
    begin_s = time.process_time()
    for unit in (b"a", b"[", b'[a x="', b"\\", b"a:", b'\\"', b" ", b"[a] "):
        for head in (b"<13>1 - - - - - ", b"<13>Mar  1 11:00:00 ", b"<13>"):
            try:
                parse(head + b'[a x="' + unit * 50_000)
                parse(head + unit * 50_000)
            except RejectedError:
                pass
    assert time.process_time() - begin_s < 3, "50 kB squared would take minutes"
