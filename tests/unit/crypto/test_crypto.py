from __future__ import annotations

import hashlib
from functools import partial

import pytest

from bspump.abc.errors import ConfigError, ProcessingError, RejectedError, UnknownNameError
from bspump.common import ListSink
from bspump.crypto import (
    CoHashingProcessor,
    DecryptAESProcessor,
    EncryptAESProcessor,
    HashingProcessor,
)
from bspump.testing import Harness, run_virtual

KEY = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
IV = "000102030405060708090a0b0c0d0e0f"
CBC = {"key": KEY, "iv": IV}
GCM = {"key": KEY, "mode": "gcm"}


def through(*parts, events):
    async def main():
        async with Harness() as harness:
            pipeline = harness.chain(*parts, ListSink, config={"on_error": "skip"})
            harness.send(events)
            await harness.settle()
            sink = pipeline.locate_processor("ListSink")
            logs = [record.getMessage() for record in harness.logs]
            return sink, [failure.error for failure in harness.errors], logs

    return run_virtual(main())


def aes(part, config):
    return partial(part, config=config)


def test_cbc_gives_the_published_ciphertext():
    """NIST SP 800-38A, F.2.5; the second block is the padding."""
    plain = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    sink, _, _ = through(aes(EncryptAESProcessor, CBC), events=[plain])
    assert sink.Events[0][:16].hex() == "f58c4c04d6e5f1ba779eabfb5f7bfbd6"
    assert len(sink.Events[0]) == 32


@pytest.mark.parametrize("config", [CBC, GCM, {"key": KEY[:32]}, {"key": KEY[:48]}], ids=str)
def test_what_was_encrypted_is_decrypted(config):
    events = [b"", b"x", b"y" * 16, bytearray(b"z" * 1000), memoryview(b"view")]
    sink, errors, logs = through(
        aes(EncryptAESProcessor, config), aes(DecryptAESProcessor, config), events=events
    )
    assert errors == []
    assert sink.Events == [bytes(event) for event in events]
    assert [log for log in logs if "key" in log] == []


def test_gcm_never_gives_the_same_ciphertext_twice():
    sink, _, _ = through(aes(EncryptAESProcessor, GCM), events=[b"x"] * 100)
    assert len(set(sink.Events)) == 100
    assert {len(event) for event in sink.Events} == {12 + 1 + 16}


def test_gcm_notices_every_change():
    sink, _, _ = through(aes(EncryptAESProcessor, GCM), events=[b"secret"])
    good = sink.Events[0]
    changed = [good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :] for i in range(len(good))]
    sink, errors, _ = through(
        aes(DecryptAESProcessor, GCM), events=[good, *changed, good[:-1], b"", good]
    )
    assert sink.Events == [b"secret", b"secret"]
    assert [type(error) for error in errors] == [RejectedError] * (len(good) + 2)


def test_what_cbc_cannot_have_made_spares_its_neighbours():
    sink, _, _ = through(aes(EncryptAESProcessor, CBC), events=[b"secret"])
    good = sink.Events[0]
    sink, errors, _ = through(
        aes(DecryptAESProcessor, CBC), events=[good, b"short", b"", b"\0" * 16, good]
    )
    assert sink.Events == [b"secret"] * 2
    assert [type(error) for error in errors] == [RejectedError] * 3
    assert "got 5 other bytes" in str(errors[0])


@pytest.mark.parametrize("part", [EncryptAESProcessor, DecryptAESProcessor])
def test_only_bytes_are_taken(part):
    _, errors, _ = through(aes(part, CBC), events=["text"])
    assert [type(error) for error in errors] == [ProcessingError]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"key": "s3cret"}, "key: expected 32 or 48 or 64 hexadecimal digits, got 6 characters"),
        ({"key": "g" * 32}, "key: expected 32"),
        ({"key": KEY, "iv": "00"}, "iv: expected 32 hexadecimal digits, got 2 characters"),
    ],
    ids=str,
)
def test_a_wrong_key_is_an_error_of_the_configuration_that_does_not_show_it(config, message):
    with pytest.raises(ConfigError) as caught:
        through(aes(EncryptAESProcessor, config), events=[])
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_default_key_is_warned_of():
    _, _, logs = through(EncryptAESProcessor, events=[])
    assert [log for log in logs if "is no secret" in log]


@pytest.mark.parametrize(
    ("config", "digest"),
    [
        ({}, hashlib.sha256(b"x").digest()),
        *[
            ({"algorithm": spelled}, hashlib.new(name, b"x").digest())
            for name in ("sha1", "sha224", "sha256", "sha384", "sha512", "md5")
            for spelled in (name, name.upper())
        ],
        ({"algorithm": "BLAKE2B"}, hashlib.blake2b(b"x").digest()),
        (
            {"algorithm": "BLAKE2B", "digest_size": "20"},
            hashlib.blake2b(b"x", digest_size=20).digest(),
        ),
        ({"algorithm": "BLAKE2S"}, hashlib.blake2s(b"x").digest()),
        ({"algorithm": "BLAKE2S", "digest_size": 8}, hashlib.blake2s(b"x", digest_size=8).digest()),
    ],
    ids=str,
)
def test_bytes_are_digested(config, digest):
    sink, _, _ = through(partial(HashingProcessor, config=config), events=[b"x"])
    assert sink.Events == [digest]
    sink, _, _ = through(partial(CoHashingProcessor, config=config), events=[bytearray(b"x")])
    assert (sink.Events, sink.Contexts) == ([b"x"], [{"hash": digest}])


def test_only_bytes_are_digested():
    sink, errors, _ = through(HashingProcessor, events=["text", b"x"])
    assert len(sink.Events) == 1
    assert [type(error) for error in errors] == [ProcessingError]


def test_an_unknown_algorithm_is_an_error_of_the_configuration():
    with pytest.raises(UnknownNameError, match="did you mean 'sha256'"):
        through(partial(HashingProcessor, config={"algorithm": "SHA265"}), events=[])
