"""Where in the world an IP address is, by CSV and by MaxMind DB."""

from __future__ import annotations

import asyncio
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from bspump.abc.errors import ConfigError, MissingExtraError, RejectedError, TransientError
from bspump.lookup import IPGeoLookup, MaxMindLookup

CSV = b"""\
"0","16777215","-","-","-","-","0.000000","0.000000"
"16777216","16777471","AU","Australia","Queensland","Brisbane","-27.467940","153.028090"
"16777472","16778239","CN","China","Fujian","Fuzhou","26.061390","119.306110","-","+08:00"
"3232235520","3232301055","ZZ","Nowhere","-","-","1","2"
"42540623800590067181096316572543221760","42540623879818229695360654166087172095",\
"SE","Sweden","Stockholm","Stockholm","59.3294","18.0686"
"""
BRISBANE = {
    "lat": -27.46794,
    "lon": 153.02809,
    "country": "Australia",
    "region": "Queensland",
    "city": "Brisbane",
    "country_code": "AU",
}
RECORD = {
    "country": {"iso_code": "AU", "names": {"en": "Australia", "cs": "Austrálie"}},
    "subdivisions": [{"iso_code": "QLD", "names": {"en": "Queensland"}}],
    "city": {"names": {"en": "Brisbane"}},
    "location": {"latitude": -27.46794, "longitude": 153.02809},
}


def write_csv(path, content=CSV):
    path.write_bytes(content)
    return path


def write_mmdb(path, networks):
    """Write a real MaxMind DB, as updates are done: under another name, then renamed."""
    writer = MMDBWriter(6, "Test-City", languages=["en"], ipv4_compatible=True)
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    new = path.with_suffix(".new")
    writer.to_db_file(str(new))
    new.replace(path)
    return path


def is_mapped(path):
    """Tell whether the process has mapped `path`, `None` where the system does not say."""
    maps = Path("/proc/self/maps")
    return str(path) in maps.read_text() if maps.exists() else None


@pytest.fixture
async def geo(app, tmp_path):
    lookup = IPGeoLookup(app, config={"path": str(write_csv(tmp_path / "ip.csv"))})
    await lookup.load()
    return lookup


@pytest.mark.parametrize(
    "address", ["1.0.0.0", "1.0.0.255", "::ffff:1.0.0.7", ip_address("1.0.0.1"), 16777216]
)
async def test_an_address_of_ipv4_is_found_in_the_csv(geo, address):
    assert geo.lookup_location(address) == BRISBANE
    assert geo.lookup_location_ipv4(address) == BRISBANE
    assert geo[address] == BRISBANE


async def test_an_address_of_ipv6_is_found_in_the_csv(geo):
    assert geo.lookup_location("2001:6b0::1")["city"] == "Stockholm"
    assert geo.lookup_location_ipv6("2001:6b0::1")["lat"] == 59.3294
    assert geo.lookup_location_ipv6(int(ip_address("2001:6b0::1")))["country"] == "Sweden"
    assert geo.lookup_location_ipv6("::ffff:1.0.0.1") == BRISBANE


@pytest.mark.parametrize("address", ["0.0.0.1", "1.0.4.0", "255.255.255.255", "::1", "ffff::"])
async def test_where_nothing_is_known_there_is_no_location(geo, address):
    assert geo.lookup_location(address) is None
    assert geo.get(address, "nowhere") == "nowhere"
    assert address not in geo
    with pytest.raises(KeyError):
        geo[address]


@pytest.mark.parametrize("address", ["localhost", "", None, "1.2.3.4.5", ["1.0.0.0"]])
async def test_what_is_no_address_has_no_location(geo, address):
    with pytest.raises(ValueError, match="expected an IP address"):
        geo.lookup_location(address)
    assert geo.get(address) is None
    assert address not in geo


async def test_a_dash_in_the_csv_is_nothing(geo):
    location = geo.lookup_location("192.168.1.1")
    assert (location["region"], location["city"]) == ("", "")


async def test_a_location_belongs_to_the_one_who_asked(geo):
    geo["1.0.0.0"]["city"] = "changed"
    assert geo["1.0.0.0"] == BRISBANE


async def test_addresses_of_ipv4_may_be_written_as_such_of_ipv6(app, tmp_path):
    low = 0xFFFF << 32
    row = f'"{low + 16777216}","{low + 16777471}","AU","Australia","-","-","0","0"\n'
    path = write_csv(tmp_path / "ip.csv", row.encode())
    mapped = IPGeoLookup(app, "Mapped", config={"path": str(path), "ipv4mapped": "yes"})
    plain = IPGeoLookup(app, "Plain", config={"path": str(path)})
    for lookup in (mapped, plain):
        await lookup.load()
    assert mapped["1.0.0.1"]["country"] == "Australia"
    assert mapped["::ffff:1.0.0.1"]["country"] == "Australia"
    assert "1.0.0.1" not in plain


async def test_addresses_may_be_written_out_below_a_row_of_titles(app, tmp_path):
    text = (
        "from,to,code,country,region,city,lat,lon\n"
        "1.0.0.0,1.0.0.255,AU,Australia,Queensland,Brisbane,-27.46794,153.02809\n"
        "\n2001:db8::,2001:db8::ffff,ZZ,Docs,,,,\n"
    )
    path = write_csv(tmp_path / "ip.csv", b"\xef\xbb\xbf" + text.encode())
    lookup = IPGeoLookup(app, config={"source_url": str(path)})
    await lookup.load()
    assert lookup["1.0.0.9"] == BRISBANE
    docs = lookup["2001:db8::5"]
    assert (docs["country"], docs["lat"], docs["lon"]) == ("Docs", None, None)
    assert lookup.rest_get()["size"] == 2


async def test_what_it_serves_to_others_is_what_it_has(app, geo):
    geo.deserialize(CSV + b'"::1","::2","ZZ","Low, ""quoted""","","","1","2"\n')
    other = IPGeoLookup(app, "Other", config={"path": "elsewhere.csv"})
    other.deserialize(geo.serialize())
    for address in ("0.0.0.1", "1.0.0.1", "192.168.1.1", "2001:6b0::1", "::1", "::3"):
        assert other.get(address) == geo.get(address)
    assert other["::2"]["country"] == 'Low, "quoted"'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "got none"),
        (b'"1","2"\n', "row 1: expected 8 columns"),
        (CSV + b'"x","2","A","B","C","D","1","2"\n', "row 6: expected an IP address, got 'x'"),
        (b'"1","2","A","B","C","D","north","2"\n', "row 1"),
        (b'"5","2","A","B","C","D","1","2"\n', "ends before"),
        (CSV + b'"16777300","16777301","A","B","C","D","1","2"\n', "overlap"),
        (b'"1.0.0.0","::5","A","B","C","D","1","2"\n', "of one kind"),
        (b"\xff\xfe", "utf-8"),
    ],
)
async def test_a_csv_of_no_use_is_rejected_and_changes_nothing(geo, content, said):
    with pytest.raises(RejectedError, match=said):
        geo.deserialize(content)
    assert geo["1.0.0.0"] == BRISBANE


async def test_the_loop_runs_on_while_a_large_csv_is_read(app, tmp_path):
    rows = (f'{n * 10},{n * 10 + 5},A,B,C,"{n % 50}",1,2' for n in range(20_000))
    path = write_csv(tmp_path / "ip.csv", "\n".join(rows).encode())
    lookup = IPGeoLookup(app, config={"path": str(path)})
    loading = asyncio.ensure_future(lookup.load())
    turns = 0
    while not loading.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10
    assert lookup.lookup_location(199_995)["city"] == "49"
    assert lookup.lookup_location(199_989) is None


async def test_a_lookup_that_is_told_no_file_is_refused(app):
    for kind in (IPGeoLookup, MaxMindLookup):
        with pytest.raises(ConfigError, match="expected a file"):
            kind(app)


@pytest.mark.parametrize("kind", [IPGeoLookup, MaxMindLookup])
async def test_without_the_library_the_command_that_installs_it_is_shown(app, kind, monkeypatch):
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(MissingExtraError, match=r"bspump\[geoip\]"):
        kind(app, config={"source_url": "city.mmdb"})


@pytest.fixture
def database(tmp_path):
    return write_mmdb(tmp_path / "city.mmdb", {"1.0.0.0/24": RECORD, "2001:db8::/32": {"x": 1}})


async def test_an_address_is_found_in_a_maxmind_db(app, database):
    lookup = IPGeoLookup(app, config={"path": str(database)})
    assert lookup.get("1.0.0.1") is None
    assert await lookup.load() is True
    assert lookup["1.0.0.1"] == BRISBANE
    assert lookup["::ffff:1.0.0.1"] == BRISBANE
    assert lookup.lookup_location("9.9.9.9") is None
    assert lookup.get("localhost") is None
    nothing = {"lat": None, "lon": None, "country": "", "region": "", "city": ""}
    assert lookup["2001:db8::1"] == {**nothing, "country_code": ""}


async def test_a_maxmind_lookup_gives_the_whole_record(app, database):
    lookup = MaxMindLookup(app, config={"source_url": str(database)})
    assert lookup.get("1.0.0.1", "not loaded") == "not loaded"
    await lookup.load()
    assert (
        lookup["1.0.0.1"]
        == lookup.get(ip_address("1.0.0.1"))
        == {
            **RECORD,
            "country": {"iso_code": "AU", "names": {"en": "Australia", "cs": "Austrálie"}},
        }
    )
    assert "2001:db8::1" in lookup
    for address in ("9.9.9.9", "localhost", None, 5):
        assert lookup.get(address, "nothing") == "nothing"
        assert address not in lookup
    with pytest.raises(KeyError):
        lookup["9.9.9.9"]
    assert lookup.rest_get()["database"] == "Test-City"


@pytest.mark.parametrize("kind", [IPGeoLookup, MaxMindLookup])
async def test_a_database_that_is_replaced_is_opened_again(app, database, kind):
    lookup = kind(app, config={"source_url": str(database)})
    assert await lookup.load() is True
    assert await lookup.load() is False
    write_mmdb(database, {"9.9.9.0/24": RECORD})
    assert "1.0.0.1" in lookup
    assert await lookup.load() is True
    assert "1.0.0.1" not in lookup
    assert "9.9.9.9" in lookup


@pytest.mark.parametrize("kind", [IPGeoLookup, MaxMindLookup])
async def test_a_file_that_is_no_database_keeps_the_old_one(app, database, kind):
    lookup = kind(app, config={"source_url": str(database)})
    await lookup.load()
    other = database.with_suffix(".other")
    other.write_bytes(b"not a database" * 1000)
    other.replace(database)
    for _ in range(2):
        with pytest.raises(RejectedError, match="expected a MaxMind DB"):
            await lookup.load()
    database.unlink()
    with pytest.raises(TransientError, match="No such file"):
        await lookup.load()
    assert "1.0.0.1" in lookup


@pytest.mark.parametrize("kind", [IPGeoLookup, MaxMindLookup])
async def test_a_database_may_come_by_http(app, database, kind):
    async def answer(request):
        return web.Response(body=database.read_bytes())

    application = web.Application()
    application.router.add_get("/city.mmdb", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/city.mmdb"
        lookup = kind(app, config={"source_url": url})
        assert await lookup.load() is True
        assert "1.0.0.1" in lookup
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("kind", [IPGeoLookup, MaxMindLookup])
async def test_a_closed_database_knows_nothing_and_is_let_go(app, database, kind):
    lookup = kind(app, config={"source_url": str(database)})
    await lookup.load()
    assert is_mapped(database) in {True, None}
    await lookup.close()
    await lookup.close()
    assert "1.0.0.1" not in lookup
    assert not is_mapped(database)
