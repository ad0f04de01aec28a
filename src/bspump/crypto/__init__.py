"""Encryption and digests. AES needs the extra `crypto`, digests need nothing."""

from __future__ import annotations

from .aes import CommonAESMixin, DecryptAESProcessor, EncryptAESProcessor
from .hashing import CoHashingProcessor, HashingBaseProcessor, HashingProcessor

__all__ = [
    "CoHashingProcessor",
    "CommonAESMixin",
    "DecryptAESProcessor",
    "EncryptAESProcessor",
    "HashingBaseProcessor",
    "HashingProcessor",
]
