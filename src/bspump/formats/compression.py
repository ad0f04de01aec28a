"""Compression by name, a piece at a time: gzip, bz2, xz, zstd and none.

>>> squeeze = compressor("gzip")
>>> packed = squeeze.feed(b"to be or not to be") + squeeze.finish()
>>> expand = decompressor("gzip")
>>> b"".join(expand.feed(packed))
b'to be or not to be'
>>> expand.finish()
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any, Final, Protocol

from bspump.abc.errors import ConfigError, UnknownNameError
from bspump.abc.extras import require

from .reject import rejected

PIECE_BYTES: Final = 1 << 20

# A block of 4 bytes may expand to 128 KiB and the library cannot be told to stop: 256 bytes at
# a time are 8 MiB at most, at about 0.95 GB/s of ordinary text (1.2 GB/s at best).
_ZSTD_STEP_BYTES: Final = 256
_ZSTD_MAX_WINDOW_BYTES: Final = 1 << 27
_LZMA_MEMORY_BYTES: Final = 1 << 28
_GZIP: Final = zlib.MAX_WBITS + 16

_EXTENSIONS: Final = {
    ".gz": "gzip",
    ".bz2": "bz2",
    ".xz": "xz",
    ".lzma": "xz",
    ".zst": "zstd",
    ".zstd": "zstd",
}


class Compressor(ABC):
    """Compresses one stream."""

    @abstractmethod
    def feed(self, data: bytes, /) -> bytes:
        """Return what is ready after `data`, possibly nothing."""

    @abstractmethod
    def finish(self) -> bytes:
        """Return the end of the stream; nothing may be fed after it."""


class Decompressor(ABC):
    """Decompresses one stream of bounded pieces, so that no input can fill the memory."""

    @abstractmethod
    def feed(self, data: bytes, /) -> Iterator[bytes]:
        """Yield what `data` expands to, in pieces of at most `piece_bytes`.

        Nothing happens until the iterator is read. One that is given up loses nothing: the
        next call goes on where it stopped.

        Raises:
            RejectedError: the data is corrupt; what was yielded before is good.
        """

    @abstractmethod
    def finish(self) -> None:
        """Check that the stream is whole. A stream of no bytes is.

        Raises:
            RejectedError: it ended too early, or not all of it was read.
        """


class _Decoder(Protocol):
    """What `bz2` and `lzma` offer for one member of a stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _ZlibDecoder:
    """`zlib` in the shape of `bz2`: what was not consumed is kept inside."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # A full piece may have left output behind even when all input is consumed.
        self.needs_input = not self._inner.unconsumed_tail and len(piece) < max_length
        return piece


class _ZstdDecoder:
    """`zstandard` in the shape of `bz2`, fed in small steps to bound what comes out at once."""

    def __init__(self, library: Any) -> None:
        self._inner = library.ZstdDecompressor(
            max_window_size=_ZSTD_MAX_WINDOW_BYTES
        ).decompressobj()
        self._input = memoryview(b"")
        self._output = b""
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof) and not self._output

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data) + bytes(self._input)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if data:
            self._input = memoryview(bytes(self._input) + data)
        parts, size = [self._output], len(self._output)
        while self._input and size < max_length and not self._inner.eof:
            part = self._inner.decompress(self._input[:_ZSTD_STEP_BYTES])
            self._input = self._input[_ZSTD_STEP_BYTES:]
            parts.append(part)
            size += len(part)
        output = b"".join(parts)
        self._output = output[max_length:]
        self.needs_input = not self._input and not self._output
        return output[:max_length]


class _MemberDecompressor(Decompressor):
    """Follows a stream of one or more members, each with a decoder of its own."""

    def __init__(
        self,
        name: str,
        new_decoder: Callable[[], _Decoder],
        errors: tuple[type[Exception], ...],
        piece_bytes: int,
    ) -> None:
        self._name = name
        self._new_decoder = new_decoder
        self._errors = errors
        self._piece_bytes = piece_bytes
        self._decoder: _Decoder | None = None
        self._input = b""
        self._members = 0

    def feed(self, data: bytes, /) -> Iterator[bytes]:
        self._input += data
        return self._pieces()

    def _pieces(self) -> Iterator[bytes]:
        while self._input or (self._decoder is not None and not self._decoder.needs_input):
            if self._decoder is None:
                # Tapes and block devices pad the last member with zeros.
                if self._members:
                    self._input = self._input.lstrip(b"\0")
                    if not self._input:
                        return
                self._decoder = self._new_decoder()
            data, self._input = self._input, b""
            piece = self._decompress(self._decoder, data)
            if self._decoder.eof:
                self._input = self._decoder.unused_data
                self._decoder = None
                self._members += 1
            if piece:
                yield piece

    def _decompress(self, decoder: _Decoder, data: bytes) -> bytes:
        try:
            return decoder.decompress(data, self._piece_bytes)
        except self._errors as error:
            detail = f"member {self._members + 1}: {error}"
            raise rejected(self._name, f"{self._name} data", data, detail) from error

    def finish(self) -> None:
        if self._input or (self._decoder is not None and not self._decoder.needs_input):
            raise rejected(self._name, "a stream read to its end", "unread data")
        if self._decoder is not None:
            detail = f"truncated in member {self._members + 1}"
            raise rejected(self._name, "a whole stream", "its beginning", detail)


class _PlainDecompressor(Decompressor):
    """Hands the data on, in pieces of the agreed size."""

    def __init__(self, piece_bytes: int) -> None:
        self._piece_bytes = piece_bytes
        self._input = memoryview(b"")

    def feed(self, data: bytes, /) -> Iterator[bytes]:
        self._input = memoryview(bytes(self._input) + data)
        return self._pieces()

    def _pieces(self) -> Iterator[bytes]:
        while self._input:
            piece = bytes(self._input[: self._piece_bytes])
            self._input = self._input[self._piece_bytes :]
            yield piece

    def finish(self) -> None:
        if self._input:
            raise rejected("none", "a stream read to its end", "unread data")


class _LibraryCompressor(Compressor):
    """A compression object of any of the libraries: they agree on `compress` and `flush`."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def feed(self, data: bytes, /) -> bytes:
        return bytes(self._inner.compress(data))

    def finish(self) -> bytes:
        return bytes(self._inner.flush())


class _PlainCompressor(Compressor):
    """Hands the data on."""

    def feed(self, data: bytes, /) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


def compression_names() -> list[str]:
    """Return the names that `compressor` and `decompressor` know, sorted."""
    return ["bz2", "gzip", "none", "xz", "zstd"]


def by_extension(path: str | PurePath) -> str:
    """Return the name of the compression that the last extension of `path` stands for.

    >>> by_extension("access.log.gz"), by_extension("access.log")
    ('gzip', 'none')
    """
    return _EXTENSIONS.get(PurePath(path).suffix.lower(), "none")


def decompressor(name: str, *, piece_bytes: int = PIECE_BYTES) -> Decompressor:
    """Return a decompressor for one stream of one or more members.

    Zeros after the last member are passed over, anything else is corrupt. `xz` takes the older
    `.lzma` as well. Dictionaries above 256 MiB (xz) and windows above 128 MiB (zstd) are refused.

    Args:
        name: one of `compression_names()`.
        piece_bytes: the most that one piece holds.

    Raises:
        UnknownNameError: there is no such compression.
        MissingExtraError: `zstd` needs a library that is not installed.
    """
    if piece_bytes < 1:
        raise ConfigError(f"decompressor: piece_bytes must be 1 or more, got {piece_bytes}")
    match name:
        case "none":
            return _PlainDecompressor(piece_bytes)
        case "gzip":
            return _MemberDecompressor(name, _ZlibDecoder, (zlib.error,), piece_bytes)
        case "bz2":
            return _MemberDecompressor(name, bz2.BZ2Decompressor, (OSError,), piece_bytes)
        case "xz":
            return _MemberDecompressor(name, _new_lzma, (lzma.LZMAError,), piece_bytes)
        case "zstd":
            library = require("zstandard", extra="zstd")
            return _MemberDecompressor(
                name, lambda: _ZstdDecoder(library), (library.ZstdError,), piece_bytes
            )
    raise _unknown(name)


def _new_lzma() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY_BYTES)


def compressor(name: str, level: int | None = None) -> Compressor:
    """Return a compressor for one stream.

    Args:
        name: one of `compression_names()`.
        level: gzip and xz 0 to 9 (6 if None), bz2 1 to 9 (9), zstd 1 to 22 (3); none has none.

    Raises:
        UnknownNameError: there is no such compression.
        ConfigError: it has no such level.
        MissingExtraError: `zstd` needs a library that is not installed.
    """
    match name:
        case "none":
            if level is not None:
                raise ConfigError(f"compression 'none': takes no level, got {level}")
            return _PlainCompressor()
        case "gzip":
            return _LibraryCompressor(
                zlib.compressobj(_level(name, level, 0, 9, 6), zlib.DEFLATED, _GZIP)
            )
        case "bz2":
            return _LibraryCompressor(bz2.BZ2Compressor(_level(name, level, 1, 9, 9)))
        case "xz":
            return _LibraryCompressor(lzma.LZMACompressor(preset=_level(name, level, 0, 9, 6)))
        case "zstd":
            library = require("zstandard", extra="zstd")
            engine = library.ZstdCompressor(
                level=_level(name, level, 1, 22, 3), write_checksum=True
            )
            return _LibraryCompressor(engine.compressobj())
    raise _unknown(name)


def _level(name: str, level: int | None, lowest: int, highest: int, default: int) -> int:
    if level is None:
        return default
    if not lowest <= level <= highest:
        raise ConfigError(f"compression {name!r}: level must be {lowest} to {highest}, got {level}")
    return level


def _unknown(name: str) -> UnknownNameError:
    return UnknownNameError(
        "compression", name, used_by="an option `compression`", known=compression_names()
    )
