from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math

import pytest

from bspump.abc.errors import ConfigError
from bspump.fileloader import load_json_file

CONTENT = {"a": [1, "č"], "big": 2**70}
TEXT = json.dumps(CONTENT).encode()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plain.json", TEXT),
        ("plain", TEXT),
        ("a.json.gz", gzip.compress(TEXT)),
        ("a.json.bz2", bz2.compress(TEXT)),
        ("a.json.xz", lzma.compress(TEXT)),
        ("a.json.lzma", lzma.compress(TEXT, format=lzma.FORMAT_ALONE)),
    ],
)
def test_a_file_is_read_and_decompressed(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert load_json_file(tmp_path / name) == CONTENT
    assert load_json_file(str(tmp_path / name)) == CONTENT


def test_what_the_standard_library_reads_is_read(tmp_path):
    (tmp_path / "a.json").write_bytes(b"[NaN]")
    assert math.isnan(load_json_file(tmp_path / "a.json")[0])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b"{oops"),
        ("a.json", b"\xff\xfe\x00"),
        ("a.json.gz", TEXT),
        ("a.json.gz", gzip.compress(TEXT)[:-3]),
        ("a.json", b""),
        ("a.json", b"[" * 100_000),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=r"a\.json.*: expected a JSON file"):
        load_json_file(tmp_path / name)


def test_a_file_that_is_not_there_is_told_as_usual(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_json_file(tmp_path / "nothing.json")
