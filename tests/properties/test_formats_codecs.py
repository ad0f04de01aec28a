"""Codecs: an event comes back as it was, and a broken message spoils only itself."""

from __future__ import annotations

import contextlib
import datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import RejectedError
from bspump.formats.csv_codec import CsvCodec
from bspump.formats.json_codec import JsonCodec
from bspump.formats.logfmt import LogfmtCodec
from bspump.formats.msgpack_codec import MsgpackCodec
from bspump.formats.registry import codec, decode_block
from bspump.formats.syslog import parse_syslog
from bspump.formats.syslog_format import format_rfc3164, format_rfc5424

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    st.none() | SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20
)
EVENTS = st.dictionaries(TEXT, VALUES) | st.lists(VALUES) | SCALARS


class Reading(msgspec.Struct):
    sensor: str
    value: float
    count: int | None
    ok: bool


class Lax(msgspec.Struct):
    """A reading whose fields may be missing, as logfmt leaves out None."""

    sensor: str
    value: float
    count: int | None = None
    ok: bool = False


READINGS = st.builds(
    Reading,
    sensor=TEXT,
    value=st.floats(allow_nan=False, allow_infinity=False),
    count=st.none() | st.integers(-(2**63), 2**63 - 1),
    ok=st.booleans(),
)


@given(st.lists(EVENTS))
def test_json_events_come_back(events):
    json = JsonCodec()
    assert [json.decode(json.encode(event)) for event in events] == events
    block = json.encode_lines(events)
    assert block == b"".join(json.encode(event) + b"\n" for event in events)
    assert json.decode_lines(block) == events


@given(st.lists(READINGS))
def test_typed_events_come_back(readings):
    for typed in (JsonCodec(Reading), MsgpackCodec(Reading), CsvCodec(Reading)):
        assert [typed.decode(typed.encode(reading)) for reading in readings] == readings
    logfmt = LogfmtCodec(Lax)
    lax = [msgspec.convert(msgspec.to_builtins(reading), Lax) for reading in readings]
    assert [logfmt.decode(logfmt.encode(reading)) for reading in lax] == lax


@given(EVENTS.filter(lambda event: not _is_wide(event)))
def test_messagepack_events_come_back(event):
    msgpack = MsgpackCodec()
    assert msgpack.decode(msgpack.encode(event)) == event


def _is_wide(value) -> bool:
    if isinstance(value, int):
        return not -(2**63) <= value < 2**64
    if isinstance(value, dict):
        return any(map(_is_wide, value.values()))
    return isinstance(value, list) and any(map(_is_wide, value))


@given(st.lists(st.lists(TEXT, min_size=1)))
def test_csv_rows_come_back(rows):
    csv = CsvCodec()
    assert [csv.decode(csv.encode(row)) for row in rows] == rows


@given(st.dictionaries(st.text("abc_.-ž", min_size=1), TEXT | st.just(True), min_size=1))
def test_logfmt_pairs_come_back(event):
    logfmt = LogfmtCodec()
    assert logfmt.decode(logfmt.encode(event)) == event
    assert b"\n" not in logfmt.encode(event)


LINES = st.lists(
    st.sampled_from(
        [
            b'{"a":1}',
            b"[1,",
            b"2]",
            b"{",
            b"}",
            b'"x',
            b"",
            b" ",
            b"\r",
            b"null",
            b"1 2",
            b"a=b",
            b"a,b",
            b"\xff",
        ]
    )
)


@given(st.sampled_from(["bytes", "csv", "json", "logfmt", "text"]), LINES)
def test_a_broken_line_spoils_only_itself(name, lines):
    chosen = codec(name)
    events, broken = decode_block(chosen, b"\n".join(lines))
    expected_events, expected_broken = [], []
    for line in lines:
        try:
            expected_events += chosen.decode_lines(line)
        except RejectedError:
            expected_broken.append(line)
    assert events == expected_events
    assert [line for line, _ in broken] == expected_broken


@given(
    st.sampled_from(["csv", "json", "logfmt", "msgpack", "text"]),
    st.binary() | TEXT.map(str.encode) | st.text('{}[]",:\\u1a= \n').map(str.encode),
)
def test_any_bytes_are_decoded_or_rejected(name, message):
    chosen = codec(name)
    calls = [chosen.decode] if name == "msgpack" else [chosen.decode, chosen.decode_lines]
    for decode in calls:
        with contextlib.suppress(RejectedError):
            decode(message)


@given(
    st.binary() | st.text('<>0123456789 -:[]="\\aJnFeb').map(lambda text: b"<13>" + text.encode())
)
def test_any_bytes_are_a_syslog_message_or_rejected(data):
    with contextlib.suppress(RejectedError):
        parse_syslog(data, reference_ms=0)


PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126)
FIELD = st.none() | st.text(PRINTABLE, min_size=1, max_size=30).filter(lambda text: text != "-")
TAG = st.none() | st.text("abcXYZ019/_.-", min_size=1, max_size=30)
SD_NAME = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='="]'),
    min_size=1,
    max_size=32,
)
SD = st.dictionaries(
    SD_NAME, st.dictionaries(SD_NAME, TEXT | st.lists(TEXT, min_size=2), max_size=3), max_size=3
)
SYSLOG = {
    "facility": st.integers(0, 23),
    "severity": st.integers(0, 7),
    "message": TEXT.map(lambda text: text.rstrip("\r\n\0").removeprefix("\ufeff")),
}
MOMENTS = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2037, 1, 1)).map(  # noqa: DTZ001
    lambda moment: int(moment.replace(tzinfo=datetime.UTC).timestamp() * 1000)
)


@given(
    st.fixed_dictionaries(
        SYSLOG
        | {"timestamp_ms": st.none() | MOMENTS, "hostname": FIELD, "app_name": FIELD}
        | {"proc_id": FIELD, "msg_id": FIELD, "structured_data": SD}
    )
)
def test_rfc5424_messages_come_back(event):
    parsed = parse_syslog(format_rfc5424(event), reference_ms=0)
    assert {key: parsed[key] for key in event} == event


@given(
    st.fixed_dictionaries(
        SYSLOG
        | {"timestamp_ms": MOMENTS.map(lambda at_ms: at_ms // 1000 * 1000), "hostname": TAG}
        | {"app_name": st.text("abcXYZ019/_.", min_size=1, max_size=30), "proc_id": TAG}
    )
)
def test_rfc3164_messages_come_back(event):
    parsed = parse_syslog(format_rfc3164(event), reference_ms=event["timestamp_ms"])
    if event["hostname"] == "-":
        event["hostname"] = None
    assert {key: parsed[key] for key in event} == event
