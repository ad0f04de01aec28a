"""Events to syslog messages, RFC 5424 and RFC 3164 (BSD).

>>> format_rfc5424({"severity_name": "info", "app_name": "app", "message": "started"})
b'<14>1 - - app - - - started'
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from .reject import rejected
from .syslog import FACILITIES, MONTHS, SEVERITIES

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELD = re.compile(r"[!-~]+")
_SD_NAME = re.compile(r'(?:(?![="\]])[!-~]){1,32}')
_TAG_ENDS = re.compile(r"[:\[\]]")
_TO_ESCAPE = re.compile(r'["\\\]]')
_LENGTHS: Final = {"hostname": 255, "app_name": 48, "proc_id": 128, "msg_id": 32}


def format_rfc5424(event: Mapping[str, Any]) -> bytes:
    """Return `event` as an RFC 5424 message, without framing.

    Takes the keys that `parse_syslog` gives; all may be missing. Without a facility it is
    `user`, without a severity `notice`. A message with other than ASCII characters is marked
    as UTF-8 by a byte order mark, as the RFC asks.

    Raises:
        RejectedError: a field cannot stand where it belongs: a space in a hostname, say.
    """
    message = str(event.get("message") or "")
    fields = [
        f"<{_priority(event)}>1",
        _timestamp(event),
        *(_field(event, name) for name in _LENGTHS),
        _structured_data(event.get("structured_data") or {}),
    ]
    if message:
        fields.append(message if message.isascii() else "\ufeff" + message)
    return _encode(" ".join(fields))


def format_rfc3164(event: Mapping[str, Any], *, zone: tzinfo = UTC) -> bytes:
    """Return `event` as an RFC 3164 message, without framing.

    Takes the keys that `parse_syslog` gives, of which `timestamp_ms` is needed. Structured data
    and the message id have no place in this form and are left out.

    Args:
        event: what to format.
        zone: in which the time is written, as the form does not say it.

    Raises:
        RejectedError: the time is missing or a field cannot stand where it belongs.
    """
    moment = _moment(event)
    if moment is None:
        raise rejected("syslog", "timestamp_ms, which RFC 3164 needs", dict(event))
    try:
        local = moment.astimezone(zone)
    except OverflowError as error:
        raise rejected("syslog", "a time that the zone has too", moment, str(error)) from error
    head = (
        f"<{_priority(event)}>{MONTHS[local.month - 1]} {local.day:2d} {local:%H:%M:%S} "
        f"{_field(event, 'hostname')} "
    )
    if event.get("app_name") is not None:
        head += f"{_tag(event)}: "
    return _encode(head + str(event.get("message") or ""))


def _tag(event: Mapping[str, Any]) -> str:
    name = _field(event, "app_name")
    if _TAG_ENDS.search(name) is not None:
        raise rejected("syslog", "app_name without ':', '[' and ']' in RFC 3164", name)
    if event.get("proc_id") is None:
        return name
    process = _field(event, "proc_id")
    if "]" in process:
        raise rejected("syslog", "proc_id without ']' in RFC 3164", process)
    return f"{name}[{process}]"


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise rejected("syslog", "text that UTF-8 can hold", text, str(error)) from error


def _priority(event: Mapping[str, Any]) -> int:
    facility = _number(event, "facility", FACILITIES, default=1)
    return facility * 8 + _number(event, "severity", SEVERITIES, default=5)


def _number(event: Mapping[str, Any], key: str, names: Sequence[str], *, default: int) -> int:
    number = event.get(key)
    if number is None:
        name = event.get(f"{key}_name")
        if name is None:
            return default
        if name not in names:
            raise rejected("syslog", f"{key}_name to be one of {', '.join(names)}", name)
        return names.index(name)
    if not isinstance(number, int) or not 0 <= number < len(names):
        raise rejected("syslog", f"{key} to be 0 to {len(names) - 1}", number)
    return number


def _moment(event: Mapping[str, Any]) -> datetime | None:
    at_ms = event.get("timestamp_ms")
    if at_ms is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=at_ms)
    except (TypeError, ValueError, OverflowError) as error:
        raise rejected("syslog", "timestamp_ms in Unix milliseconds", at_ms) from error


def _timestamp(event: Mapping[str, Any]) -> str:
    moment = _moment(event)
    if moment is None:
        return "-"
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _field(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    if value is None:
        return "-"
    text = str(value)
    if _FIELD.fullmatch(text) is None or len(text) > _LENGTHS[name]:
        expected = f"{name} to be 1 to {_LENGTHS[name]} printable ASCII characters without spaces"
        raise rejected("syslog", expected, value)
    return text


def _structured_data(elements: Mapping[str, Mapping[str, Any]]) -> str:
    if not elements:
        return "-"
    parts = []
    for element_id, element in elements.items():
        parameters = [
            f' {_sd_name(name)}="{_TO_ESCAPE.sub(_escape, str(value))}"'
            for name, values in element.items()
            for value in (values if isinstance(values, list) else [values])
        ]
        parts.append(f"[{_sd_name(element_id)}{''.join(parameters)}]")
    return "".join(parts)


def _escape(found: re.Match[str]) -> str:
    return "\\" + found[0]


def _sd_name(name: str) -> str:
    if _SD_NAME.fullmatch(name) is None:
        expected = "a name of 1 to 32 ASCII characters without space, '=', ']' and '\"'"
        raise rejected("syslog", expected, name)
    return name
