"""The processors that read and write syslog messages."""

from __future__ import annotations

import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.syslog import SyslogFormatter, SyslogParser

IETF = b'<165>1 2003-10-11T22:14:15.003Z host app 12 ID47 [a@1 b="c"] text'
BSD = b"<13>Oct 11 22:14:15 host app[12]: text"


@pytest.mark.parametrize("message", [IETF, IETF.decode(), bytearray(IETF)])
async def test_bytes_and_text_are_parsed(receiver, message):
    event = receiver.make(SyslogParser).process({}, message)
    assert event["timestamp_ms"] == 1065910455003
    assert event["message"] == "text"


@pytest.mark.parametrize("message", [b"no priority", b"<200>x", 42, None, {"message": "x"}])
async def test_what_is_no_message_is_rejected(receiver, message):
    parser = receiver.make(SyslogParser)
    with pytest.raises(RejectedError, match="syslog"):
        parser.process({}, message)
    with pytest.raises(RejectedError):
        parser.process_batch(None, [IETF, message])


async def test_many_are_parsed_as_one_is(receiver):
    parser = receiver.make(SyslogParser, default_priority=13)
    messages = [IETF, BSD, "a line of a file"]
    one_by_one = [parser.process({}, message) for message in messages]
    assert parser.process_batch(None, messages) == one_by_one
    assert one_by_one[2]["message"] == "a line of a file"


async def test_a_time_without_a_year_is_not_in_the_future(receiver):
    parser = receiver.make(SyslogParser)
    event = parser.process({}, BSD)
    assert event["timestamp_ms"] <= (receiver.app.time() + 86_400) * 1000


async def test_what_was_parsed_can_be_written_again(receiver):
    parser, formatter = receiver.make(SyslogParser), receiver.make(SyslogFormatter)
    assert formatter.process({}, parser.process({}, IETF)) == IETF


async def test_the_older_form_is_written_in_the_zone_of_the_option(receiver):
    formatter = receiver.make(SyslogFormatter, rfc="3164", timezone="Europe/Prague")
    event = {"timestamp_ms": 1065910455003, "hostname": "host", "app_name": "app", "message": "x"}
    assert formatter.process({}, event) == b"<13>Oct 12 00:14:15 host app: x"


async def test_an_event_is_left_alone(receiver):
    event = {"hostname": "host", "message": "x"}
    receiver.make(SyslogFormatter).process({}, event)
    assert event == {"hostname": "host", "message": "x"}


@pytest.mark.parametrize("event", [b"bytes", {"hostname": "two words"}, {"severity_name": "odd"}])
async def test_what_cannot_be_written_is_rejected(receiver, event):
    with pytest.raises(RejectedError, match="syslog"):
        receiver.make(SyslogFormatter).process({}, event)


async def test_a_zone_that_does_not_exist_is_a_configuration_error(receiver):
    with pytest.raises(ConfigError, match="timezone"):
        receiver.make(SyslogFormatter, rfc=3164, timezone="Mars/Olympus")
    with pytest.raises(ConfigError, match="timezone"):
        receiver.make(SyslogParser, timezone="")


async def test_a_form_that_does_not_exist_is_reported(receiver):
    receiver.make(SyslogFormatter, rfc="1234")
    (problem,) = receiver.app.Config.problems
    assert "rfc" in str(problem)
