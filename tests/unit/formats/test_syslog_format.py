"""Events to syslog messages, byte by byte."""

from __future__ import annotations

import datetime
import zoneinfo

import pytest

from bspump.abc.errors import RejectedError
from bspump.formats.syslog import parse_syslog
from bspump.formats.syslog_format import format_rfc3164, format_rfc5424

AT_MS = int(datetime.datetime(2003, 10, 11, 22, 14, 15, 3000, datetime.UTC).timestamp() * 1000)


# RFC 5424, section 6.5, example 1 (which is ASCII, so it needs no byte order mark) and 3.
def test_the_examples_of_rfc5424_are_written_as_they_stand():
    event = {
        "facility": 4,
        "severity": 2,
        "timestamp_ms": AT_MS,
        "hostname": "mymachine.example.com",
        "app_name": "su",
        "msg_id": "ID47",
        "message": "'su root' failed for lonvick on /dev/pts/8",
    }
    assert format_rfc5424(event) == (
        b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - "
        b"'su root' failed for lonvick on /dev/pts/8"
    )
    event |= {
        "facility": 20,
        "severity": 5,
        "app_name": "evntslog",
        "structured_data": {
            "exampleSDID@32473": {"iut": "3", "eventSource": "Application", "eventID": "1011"},
            "examplePriority@32473": {"class": "high"},
        },
        "message": "",
    }
    assert format_rfc5424(event) == (
        b"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
        b'[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"]'
        b'[examplePriority@32473 class="high"]'
    )


def test_an_empty_event_is_a_notice_of_a_user():
    assert format_rfc5424({}) == b"<13>1 - - - - - -"


def test_names_do_where_numbers_are_missing():
    event = {"facility_name": "local7", "severity_name": "debug"}
    assert format_rfc5424(event) == b"<191>1 - - - - - -"


def test_text_beyond_ascii_is_marked():
    assert format_rfc5424({"message": "ž"}) == b"<13>1 - - - - - - \xef\xbb\xbf\xc5\xbe"


def test_structured_data_is_escaped():
    event = {"structured_data": {"a": {"x": '"\\]', "y": ["1", 2]}}}
    assert format_rfc5424(event) == rb'<13>1 - - - - - [a x="\"\\\]" y="1" y="2"]'


def test_the_example_of_rfc3164_is_written_as_it_stands():
    event = {
        "facility": 4,
        "severity": 2,
        "timestamp_ms": AT_MS,
        "hostname": "mymachine",
        "app_name": "su",
        "message": "'su root' failed for lonvick on /dev/pts/8",
    }
    expected = b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8"
    assert format_rfc3164(event) == expected
    assert format_rfc3164(event | {"proc_id": "8"}).startswith(
        b"<34>Oct 11 22:14:15 mymachine su[8]: "
    )


def test_rfc3164_pads_the_day_and_has_the_time_of_a_zone():
    at_ms = int(datetime.datetime(2024, 2, 4, 23, 30, tzinfo=datetime.UTC).timestamp() * 1000)
    zone = zoneinfo.ZoneInfo("Europe/Prague")
    assert format_rfc3164({"timestamp_ms": at_ms}, zone=zone) == b"<13>Feb  5 00:30:00 - "


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"hostname": "two words"}, "hostname to be 1 to 255 printable ASCII characters"),
        ({"hostname": ""}, "hostname"),
        ({"app_name": "x" * 49}, "app_name to be 1 to 48"),
        ({"msg_id": "ž"}, "msg_id"),
        ({"facility": 24}, "facility to be 0 to 23"),
        ({"severity": "3"}, "severity to be 0 to 7"),
        ({"severity_name": "bad"}, "severity_name to be one of emerg,"),
        ({"timestamp_ms": "now"}, "timestamp_ms in Unix milliseconds"),
        ({"timestamp_ms": float("nan")}, "timestamp_ms in Unix milliseconds"),
        ({"timestamp_ms": 10**18}, "timestamp_ms in Unix milliseconds"),
        ({"structured_data": {"a b": {}}}, "a name of 1 to 32 ASCII characters"),
        ({"structured_data": {"a": {"x]": 1}}}, "a name of 1 to 32 ASCII characters"),
        ({"message": "\ud800"}, "text that UTF-8 can hold"),
    ],
)
def test_what_cannot_stand_where_it_belongs_is_rejected(event, expected):
    with pytest.raises(RejectedError) as caught:
        format_rfc5424(event)
    assert f"syslog: expected {expected}" in str(caught.value)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, "timestamp_ms, which RFC 3164 needs"),
        ({"timestamp_ms": 0, "app_name": "a:b"}, "app_name without"),
        ({"timestamp_ms": 0, "app_name": "a", "proc_id": "1]"}, "proc_id without"),
        ({"timestamp_ms": 253402300799000}, "a time that the zone has too"),
    ],
)
def test_what_rfc3164_cannot_say_is_rejected(event, expected):
    with pytest.raises(RejectedError, match=expected):
        format_rfc3164(event, zone=datetime.timezone(datetime.timedelta(hours=1)))


def test_a_parsed_message_is_written_as_it_was():
    data = b'<165>1 2003-10-11T22:14:15.003Z host app 8710 ID47 [a x="1" x="2"] text'
    assert format_rfc5424(parse_syslog(data, reference_ms=0)) == data
    data = b"<34>Oct 11 22:14:15 host app[8]: text"
    assert format_rfc3164(parse_syslog(data, reference_ms=AT_MS)) == data
