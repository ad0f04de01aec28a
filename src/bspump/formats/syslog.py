r"""Syslog messages, RFC 5424 and RFC 3164 (BSD), to dicts and back.

A parsed message always has these keys; None stands for what the message does not say:

============================ =====================================================
`rfc`                        5424 or 3164: the form the message has
`facility`, `facility_name`  0 to 23, for example 4 and `auth`
`severity`, `severity_name`  0 (`emerg`) to 7 (`debug`)
`timestamp_ms`               Unix milliseconds, or None
`hostname` `app_name`        str or None
`proc_id` `msg_id`           str or None; BSD messages have no `msg_id`
`structured_data`            {id: {name: value}}; a name that is repeated has a list
`message`                    str, without a byte order mark and newlines at its end
============================ =====================================================

Bytes that are not UTF-8 are kept as escapes (`\xe9`).

>>> event = parse_syslog(b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed", reference_ms=0)
>>> event["facility_name"], event["severity_name"], event["app_name"], event["message"]
('auth', 'crit', 'su', "'su root' failed")
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from .reject import rejected

_FACILITIES: Final = """
    kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp security console clock
    local0 local1 local2 local3 local4 local5 local6 local7
"""
FACILITIES: Final = tuple(_FACILITIES.split())
SEVERITIES: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
MONTHS: Final = tuple(_MONTHS.split())

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
# A sender's clock may be ahead of ours by so much before its message counts as last year's.
_AHEAD_MS: Final = 86_400_000

_RFC3339: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)"
_PRIORITY = re.compile(r"<([0-9]{1,3})>")
_HEADER_FIELDS: Final = (
    ("a timestamp or '-'", re.compile(rf"(-|{_RFC3339}) ")),
    ("a hostname or '-'", re.compile(r"([!-~]+) ")),
    ("an app name or '-'", re.compile(r"([!-~]+) ")),
    ("a process id or '-'", re.compile(r"([!-~]+) ")),
    ("a message id or '-'", re.compile(r"([!-~]+) ")),
)
_HEADER = re.compile("".join(pattern.pattern for _, pattern in _HEADER_FIELDS))
_PARAMETER = r' ([^\s="\]]+)="((?:[^"\\\]]|\\.)*+)"'
_PARAMETERS = re.compile(_PARAMETER, re.DOTALL)
_ELEMENT = re.compile(rf'\[([^\s="\]]+)((?:{_PARAMETER})*+)\]', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\\]])')
_BSD_TIME = re.compile(
    rf"({'|'.join(MONTHS)}) {{1,2}}(\d{{1,2}}) (?:(\d{{4}}) )?"
    r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?:? "
)
_ISO_TIME = re.compile(rf"({_RFC3339}):? ")
_TAG = re.compile(r"([^\s:\[\]]+)(?:\[([^\s\]]*)\])?:(?: |$)|([^\s:\[\]]+)\[([^\s\]]*)\] ")
_HOST = re.compile(r"(\S+) ")


def parse_syslog(
    data: bytes,
    *,
    reference_ms: int,
    zone: tzinfo = UTC,
    default_priority: int | None = None,
) -> dict[str, Any]:
    """Return the parts of one message; see the module for the keys.

    A message with version 1 after its priority is RFC 5424 and must be right; anything else is
    RFC 3164, which is a habit more than a form: what cannot be told apart is `message`.

    Args:
        data: one message without its framing.
        reference_ms: the present, or when the message came. RFC 3164 has no year: the latest
            one is taken that puts the message at most a day after the reference.
        zone: of timestamps without one (RFC 3164).
        default_priority: of messages that do not begin with `<priority>`, such as the lines of
            a log file; None rejects them.

    Raises:
        RejectedError: the message is malformed; the error names the position.
    """
    text = data.decode("utf-8", "backslashreplace").rstrip("\r\n\0")
    found = _PRIORITY.match(text)
    if found is not None:
        priority, at = int(found[1]), found.end()
        if priority > 191:
            raise _malformed(text, 1, "a priority of 0 to 191")
    elif default_priority is not None:
        priority, at = default_priority, 0
    else:
        raise _malformed(text, 0, "a priority such as '<13>'")
    event: dict[str, Any] = {
        "rfc": 3164,
        "facility": priority >> 3,
        "facility_name": FACILITIES[priority >> 3],
        "severity": priority & 7,
        "severity_name": SEVERITIES[priority & 7],
        "timestamp_ms": None,
        "hostname": None,
        "app_name": None,
        "proc_id": None,
        "msg_id": None,
        "structured_data": {},
        "message": "",
    }
    if text.startswith("1 ", at):
        _parse_rfc5424(event, text, at + 2)
    else:
        _parse_rfc3164(event, text, at, reference_ms, zone)
    return event


def _parse_rfc5424(event: dict[str, Any], text: str, at: int) -> None:
    found = _HEADER.match(text, at)
    if found is None:
        raise _first_malformed_field(text, at)
    event["rfc"] = 5424
    fields = [None if part == "-" else part for part in found.groups()]
    if fields[0] is not None:
        event["timestamp_ms"] = _rfc3339_ms(text, at, fields[0])
    event["hostname"], event["app_name"], event["proc_id"], event["msg_id"] = fields[1:]
    at = found.end()
    if text.startswith("-", at):
        at += 1
    else:
        at = _parse_structured_data(event["structured_data"], text, at)
    if at < len(text):
        if text[at] != " ":
            raise _malformed(text, at, "a space before the message")
        event["message"] = text[at + 1 :].removeprefix("\ufeff")


def _first_malformed_field(text: str, at: int) -> Exception:
    for expected, pattern in _HEADER_FIELDS:
        found = pattern.match(text, at)
        if found is None:
            return _malformed(text, at, expected)
        at = found.end()
    return _malformed(text, at, "structured data or '-'")


def _parse_structured_data(elements: dict[str, Any], text: str, at: int) -> int:
    begin = at
    while found := _ELEMENT.match(text, at):
        if found[1] in elements:
            raise _malformed(text, at, f"element {found[1]!r} once")
        element: dict[str, Any] = {}
        elements[found[1]] = element
        for name, raw in _PARAMETERS.findall(found[2]):
            value = _ESCAPE.sub(r"\1", raw) if "\\" in raw else raw
            if name not in element:
                element[name] = value
            elif isinstance(element[name], list):
                element[name].append(value)
            else:
                element[name] = [element[name], value]
        at = found.end()
    if at == begin or text.startswith("[", at):
        raise _malformed(text, at, "structured data such as [id name=\"value\"] or '-'")
    return at


def _parse_rfc3164(
    event: dict[str, Any], text: str, at: int, reference_ms: int, zone: tzinfo
) -> None:
    found = _BSD_TIME.match(text, at)
    if found is not None:
        event["timestamp_ms"] = _bsd_ms(text, at, found, reference_ms, zone)
    else:
        found = _ISO_TIME.match(text, at)
        if found is not None:
            event["timestamp_ms"] = _rfc3339_ms(text, at, found[1])
    if found is not None:
        at = found.end()
        # Senders on the same host leave the hostname out; then the tag comes first.
        if _TAG.match(text, at) is None and (host := _HOST.match(text, at)):
            event["hostname"] = None if host[1] == "-" else host[1]
            at = host.end()
    tag = _TAG.match(text, at)
    if tag is not None:
        event["app_name"] = tag[1] or tag[3]
        event["proc_id"] = tag[2] or tag[4] or None
        at = tag.end()
    event["message"] = text[at:].removeprefix("\ufeff")


def _rfc3339_ms(text: str, at: int, stamp: str) -> int:
    try:
        return (datetime.fromisoformat(stamp) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError) as error:
        raise _malformed(text, at, f"a time that exists ({error})") from error


def _bsd_ms(text: str, at: int, found: re.Match[str], reference_ms: int, zone: tzinfo) -> int:
    month = MONTHS.index(found[1]) + 1
    day, hour, minute, second = (int(found[group]) for group in (2, 4, 5, 6))
    microsecond = int((found[7] or "0").ljust(6, "0"))
    this_year = (_EPOCH + timedelta(milliseconds=reference_ms)).astimezone(zone).year
    # Nine years, as there may be eight between two 29ths of February.
    years = [int(found[3])] if found[3] else range(this_year + 1, this_year - 9, -1)
    for year in years:
        try:
            moment = datetime(year, month, day, hour, minute, second, microsecond, zone)
        except ValueError:
            continue
        at_ms = (moment - _EPOCH) // _MILLISECOND
        if found[3] or at_ms <= reference_ms + _AHEAD_MS:
            return at_ms
    raise _malformed(text, at, "a time that exists")


def _malformed(text: str, at: int, expected: str) -> Exception:
    return rejected("syslog", f"{expected} at position {at}", text[at : at + 81])
