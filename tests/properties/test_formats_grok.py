"""Grok patterns agree with the standard library about what they name."""

from __future__ import annotations

import datetime
import ipaddress
import re
import uuid

from hypothesis import example, given
from hypothesis import strategies as st

from bspump.formats.grok import Grok

IPV4, IPV6, IP = (Grok(f"^%{{{name}:x}}$") for name in ("IPV4", "IPV6", "IP"))
V6_LIKE = st.lists(
    st.sampled_from(["", "0", "a", "ffff", "12345", "1.2.3.4", "1.2.3"]), max_size=10
).map(":".join)


@given(st.ip_addresses() | st.ip_addresses(v=6))
def test_every_address_is_taken(address):
    for text in {str(address), address.exploded, str(address).upper()}:
        assert IP.match(text) == {"x": text}


@given(V6_LIKE)
@example("1:2:3:4:5:6:7::")
@example("::2:3:4:5:6:7:8")
@example("1:2:3:4:5:6::1.2.3.4")
def test_what_is_no_ipv6_address_is_not_taken(text):
    try:
        expected = {"x": text} if ipaddress.IPv6Address(text) else None
    except ValueError:
        expected = None
    assert IPV6.match(text) == expected


@given(st.uuids())
def test_every_uuid_is_taken(found: uuid.UUID):
    assert Grok("%{UUID:x}").match(f"id={found};") == {"x": str(found)}


@given(st.datetimes(min_value=datetime.datetime(1000, 1, 1), timezones=st.timezones() | st.none()))  # noqa: DTZ001
def test_every_iso_timestamp_is_taken(moment):
    offset = moment.utcoffset()
    if offset is not None and offset % datetime.timedelta(minutes=1):
        return  # zones of the 19th century have seconds, which no log has
    for text in {moment.isoformat(), moment.isoformat(" ", "seconds")}:
        assert Grok("^%{TIMESTAMP_ISO8601:x}$").match(text) == {"x": text}


RUNS = {
    "INT": r"[+-]?[0-9]+",
    "NOTSPACE": r"\S+",
    "SPACE": r"\s*",
    "DATA": r".*?",
    "GREEDYDATA": r".*",
    "NUMBER": r"(?>[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+))",
}


@given(
    st.sampled_from(sorted(RUNS)),
    st.sampled_from(["", "a", "1", " ", "1 ", "(?<=1)a", "(?=a)", r"\b", "$"]),
    st.text("a1 .+\n", max_size=12),
)
def test_beginning_at_the_start_of_a_run_only_misses_nothing(name, rest, text):
    plain = re.search(f"({RUNS[name]}){rest}", text)
    found = Grok(f"%{{{name}:x}}{rest}").match(text)
    assert found == (None if plain is None else {"x": plain[1]})
