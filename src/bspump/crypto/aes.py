"""Encryption by AES."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from bspump.abc.errors import ConfigError, ProcessingError, RejectedError
from bspump.abc.extras import require
from bspump.abc.options import Options
from bspump.abc.processor import Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_BLOCK_BITS = 128
_NONCE_BYTES = 12
_KEY_BYTES = (16, 24, 32)
_ZEROS = "0" * 32


class AESOptions(Options, frozen=True, kw_only=True):
    """The key, and the way it is used."""

    key: Annotated[str, Meta(description="The secret key: 32, 48 or 64 hexadecimal digits.")] = (
        _ZEROS
    )
    iv: Annotated[
        str, Meta(description="With `cbc`, the initialisation vector: 32 hexadecimal digits.")
    ] = _ZEROS
    mode: Annotated[
        Literal["cbc", "gcm"],
        Meta(
            description="`cbc` with PKCS7 padding and a constant vector, for what exists already; "
            "`gcm` with a random nonce, which also notices every change."
        ),
    ] = "cbc"


class CommonAESMixin(Processor):
    """What encryption and decryption share: they take bytes and return bytes.

    `cbc` is what older programs use: equal events become equal ciphertexts, and a change may go
    unnoticed. Choose `gcm` for anything new; its ciphertext is the nonce of 12 bytes, the data
    and the tag of 16 bytes. One key is good for 2**32 events.

    Raises:
        ConfigError: the key or the vector is not what AES takes.
    """

    OptionsClass = AESOptions
    Options: AESOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        key = self._bytes_of("key", self.Options.key, _KEY_BYTES)
        ciphers = require("cryptography.hazmat.primitives.ciphers", extra="crypto")
        if self.Options.mode == "gcm":
            aead = require("cryptography.hazmat.primitives.ciphers.aead", extra="crypto")
            self._gcm = aead.AESGCM(key)
        else:
            vector = self._bytes_of("iv", self.Options.iv, (_BLOCK_BITS // 8,))
            padding = require("cryptography.hazmat.primitives.padding", extra="crypto")
            self._cipher = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CBC(vector))
            self._padding = padding.PKCS7(_BLOCK_BITS)
        if self.Options.key == _ZEROS:
            pipeline.L.warning("%s: the key is the default one, which is no secret", self.Id)

    def _bytes_of(self, name: str, digits: str, lengths: tuple[int, ...]) -> bytes:
        try:
            value = bytes.fromhex(digits)
        except ValueError:
            value = b""
        if len(value) not in lengths:
            expected = " or ".join(str(2 * length) for length in lengths)
            # The digits are a secret: only their number is told.
            raise ConfigError(
                f"{self.locate_address()}: {name}: expected {expected} hexadecimal digits, "
                f"got {len(digits)} characters"
            )
        return value

    def _checked(self, event: Event) -> bytes:
        if not isinstance(event, bytes | bytearray | memoryview):
            raise ProcessingError(f"{self.Id}: expected bytes, got {type(event).__name__}")
        return bytes(event)


class EncryptAESProcessor(CommonAESMixin):
    """Encrypt bytes by AES with a constant key."""

    def process(self, context: Context, event: Event) -> bytes:
        data = self._checked(event)
        if self.Options.mode == "gcm":
            nonce = secrets.token_bytes(_NONCE_BYTES)
            return nonce + self._gcm.encrypt(nonce, data, None)
        padder, encryptor = self._padding.padder(), self._cipher.encryptor()
        padded = padder.update(data) + padder.finalize()
        return encryptor.update(padded) + encryptor.finalize()


class DecryptAESProcessor(CommonAESMixin):
    """Decrypt bytes that were encrypted by AES with the same key, vector and mode.

    What cannot have been is the error of that event alone: `RejectedError`.
    """

    def process(self, context: Context, event: Event) -> bytes:
        data = self._checked(event)
        if self.Options.mode == "gcm":
            return self._open(data)
        unpadder, decryptor = self._padding.unpadder(), self._cipher.decryptor()
        try:
            padded = decryptor.update(data) + decryptor.finalize()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError as error:
            raise self._refused(data) from error

    def _open(self, data: bytes) -> bytes:
        invalid = require("cryptography.exceptions", extra="crypto").InvalidTag
        try:
            return self._gcm.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None)
        except (invalid, ValueError) as error:
            raise self._refused(data) from error

    def _refused(self, data: bytes) -> RejectedError:
        return RejectedError(
            f"{self.Id}: expected data encrypted with this key and mode {self.Options.mode!r}, "
            f"got {len(data)} other bytes"
        )
