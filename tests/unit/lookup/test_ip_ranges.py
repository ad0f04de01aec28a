"""Ranges of IP addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.lookup.ip_ranges import RangeTable, as_mapped, parse_address

V6_LAST = (1 << 128) - 1
EDGES = [0, 1, (1 << 32) - 1, 1 << 32, (1 << 64) - 1, 1 << 64, (1 << 64) + 1, V6_LAST - 1, V6_LAST]
numbers = st.one_of(st.integers(0, V6_LAST), st.sampled_from(EDGES), st.integers(0, 50))


@st.composite
def ranges(draw):
    """Draw ranges that do not overlap, in any order, some next to each other."""
    bounds = sorted(draw(st.lists(numbers, unique=True, max_size=20)))
    found, after = [], 0
    for first, last in zip(bounds[::2], bounds[1::2], strict=False):
        start = after if draw(st.booleans()) and after <= last else first
        found.append((start, last, draw(st.sampled_from(["a", "b", None]))))
        after = last + 1
    return draw(st.permutations(found))


@given(ranges(), st.lists(numbers))
def test_a_table_finds_what_a_search_through_all_ranges_finds(table, asked):
    found = RangeTable(table)
    near = {edge for first, last, _ in table for edge in (first - 1, first, last, last + 1)}
    for number in [*asked, *(n for n in near if 0 <= n <= V6_LAST)]:
        expected = [value for first, last, value in table if first <= number <= last]
        assert found.find(number) == (expected[0] if expected else None)
    assert len(found) == len(table)
    assert list(found.items()) == sorted(item for item in table if item[2] is not None)


@pytest.mark.parametrize(
    ("table", "said"),
    [([(5, 4, "a")], "ends before"), ([(0, 5, "a"), (5, 6, "b")], "overlap at 5")],
)
def test_ranges_that_cannot_be_are_refused(table, said):
    with pytest.raises(ValueError, match=said):
        RangeTable(table)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_an_address_is_the_same_in_all_its_forms(address):
    expected = parse_address(address)
    assert parse_address(str(address)) == expected
    assert parse_address(address.packed) == expected
    number, is_v6 = expected
    if is_v6:
        assert IPv6Address(number) == address
    else:
        assert IPv4Address(number) == (getattr(address, "ipv4_mapped", None) or address)
        assert parse_address(IPv6Address(as_mapped(number))) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("fe80::1%eth0", (int(ip_address("fe80::1")), True)),
        ((1 << 32) - 1, ((1 << 32) - 1, False)),
        (1 << 32, (1 << 32, True)),
    ],
)
def test_an_address_may_have_a_zone_or_be_a_number(address, expected):
    assert parse_address(address) == expected


@pytest.mark.parametrize(
    "address", ["", "1.2.3", "1.2.3.256", "::g", "a\0b", -1, 1 << 128, b"abc", None, True, 1.5]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match="expected an IP address"):
        parse_address(address)
