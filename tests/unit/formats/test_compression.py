"""Compression by name, a piece at a time."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys

import pytest

from bspump.abc.errors import ConfigError, MissingExtraError, RejectedError, UnknownNameError
from bspump.formats.compression import by_extension, compression_names, compressor, decompressor

zstandard = pytest.importorskip("zstandard")

TEXT = b"to be or not to be, that is the question\n" * 5000
REAL = [name for name in compression_names() if name != "none"]


def expand(name: str, packed: bytes, *, step: int = 1 << 30, piece_bytes: int = 1 << 20) -> bytes:
    engine = decompressor(name, piece_bytes=piece_bytes)
    pieces = []
    for at in range(0, len(packed), step):
        pieces += engine.feed(packed[at : at + step])
    engine.finish()
    assert all(0 < len(piece) <= piece_bytes for piece in pieces)
    return b"".join(pieces)


def squeeze(name: str, data: bytes, level: int | None = None) -> bytes:
    engine = compressor(name, level)
    return engine.feed(data[:100]) + engine.feed(data[100:]) + engine.finish()


@pytest.mark.parametrize("name", compression_names())
@pytest.mark.parametrize("step", [7, 1000, 1 << 30])
def test_what_was_compressed_comes_back_however_it_is_cut(name, step):
    assert expand(name, squeeze(name, TEXT), step=step, piece_bytes=1000) == TEXT


@pytest.mark.parametrize("name", compression_names())
def test_nothing_is_a_whole_stream(name):
    assert expand(name, b"") == b""
    assert expand(name, squeeze(name, b"")) == b""


@pytest.mark.parametrize("name", REAL)
def test_several_members_are_one_stream(name):
    packed = squeeze(name, b"one,") + squeeze(name, b"") + squeeze(name, b"two")
    assert expand(name, packed) == b"one,two"
    assert expand(name, packed, step=1) == b"one,two"


@pytest.mark.parametrize("name", ["gzip", "bz2", "xz"])
def test_zeros_after_the_last_member_are_padding(name):
    packed = squeeze(name, b"one") + bytes(512)
    assert expand(name, packed) == b"one"
    assert expand(name, packed, step=1) == b"one"


@pytest.mark.parametrize(
    ("name", "unpack"),
    [
        ("gzip", gzip.decompress),
        ("bz2", bz2.decompress),
        ("xz", lzma.decompress),
        ("zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    ],
)
def test_other_programs_read_what_is_written(name, unpack):
    assert unpack(squeeze(name, TEXT)) == TEXT


def test_the_older_lzma_is_read_as_xz():
    assert expand("xz", lzma.compress(TEXT, format=lzma.FORMAT_ALONE), step=50) == TEXT


@pytest.mark.parametrize("name", REAL)
def test_a_stream_that_was_cut_off_is_rejected_after_what_was_good(name):
    engine = decompressor(name)
    list(engine.feed(squeeze(name, TEXT)[:-3]))
    with pytest.raises(RejectedError, match=f"{name}: expected a whole stream"):
        engine.finish()


@pytest.mark.parametrize("name", REAL)
def test_what_is_not_compressed_is_rejected(name):
    with pytest.raises(RejectedError, match=f"{name}: expected {name} data"):
        list(decompressor(name).feed(b"plain text that nobody has compressed" * 10))


@pytest.mark.parametrize("name", REAL)
def test_rubbish_after_a_member_is_rejected(name):
    engine = decompressor(name)
    pieces = engine.feed(squeeze(name, b"one") + b"rubbish that is long enough to be noticed")
    assert next(pieces) == b"one"
    with pytest.raises(RejectedError, match="member 2"):
        next(pieces)


@pytest.mark.parametrize("name", compression_names())
def test_an_iterator_that_is_given_up_loses_nothing(name):
    engine = decompressor(name, piece_bytes=100)
    packed = squeeze(name, TEXT[:10_000])
    found = next(engine.feed(packed))
    with pytest.raises(RejectedError, match="read to its end"):
        engine.finish()
    found += b"".join(engine.feed(b""))
    engine.finish()
    assert found == TEXT[:10_000]


@pytest.mark.parametrize("name", REAL)
def test_a_bomb_comes_out_in_bounded_pieces(name):
    packed = squeeze(name, bytes(64 << 20))
    assert len(packed) < 100_000
    pieces = decompressor(name, piece_bytes=4096).feed(packed)
    assert [len(next(pieces)) for _ in range(100)] == [4096] * 100


@pytest.mark.parametrize(
    ("name", "level"), [("gzip", 10), ("bz2", 0), ("xz", -1), ("zstd", 23), ("none", 1)]
)
def test_a_level_that_does_not_exist_is_refused(name, level):
    with pytest.raises(ConfigError, match=f"compression '{name}'"):
        compressor(name, level)


def test_a_higher_level_makes_it_smaller():
    assert len(squeeze("gzip", TEXT, 9)) < len(squeeze("gzip", TEXT, 1))


def test_unknown_names_are_refused_with_the_known_ones():
    for make in (compressor, decompressor):
        with pytest.raises(UnknownNameError, match="did you mean 'gzip'"):
            make("gzp")
    with pytest.raises(ConfigError, match="piece_bytes"):
        decompressor("gzip", piece_bytes=0)


def test_a_missing_library_is_answered_by_the_command_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    for make in (compressor, decompressor):
        with pytest.raises(MissingExtraError, match=r"pip install 'bspump\[zstd\]'"):
            make("zstd")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.log.gz", "gzip"),
        ("a.BZ2", "bz2"),
        ("a.xz", "xz"),
        ("a.lzma", "xz"),
        ("a.zst", "zstd"),
        ("a.zstd", "zstd"),
        ("a.log", "none"),
        ("gz", "none"),
    ],
)
def test_the_extension_tells_the_compression(path, name):
    assert by_extension(path) == name
