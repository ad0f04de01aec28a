"""Digests of events."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ProcessingError, UnknownNameError
from bspump.abc.options import Options
from bspump.abc.processor import Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_ALGORITHMS = ("blake2b", "blake2s", "md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_BLAKE2_BYTES = {
    "blake2b": hashlib.blake2b.MAX_DIGEST_SIZE,
    "blake2s": hashlib.blake2s.MAX_DIGEST_SIZE,
}


class HashingOptions(Options, frozen=True, kw_only=True):
    """How events are digested."""

    algorithm: Annotated[
        str,
        Meta(description="BLAKE2B, BLAKE2S, MD5, SHA1, SHA224, SHA256, SHA384 or SHA512."),
    ] = "sha256"
    digest_size: Annotated[
        int,
        Meta(ge=1, le=64, description="Bytes of a BLAKE2 digest; BLAKE2S has 32 at the most."),
    ] = 64


class HashingBaseProcessor(Processor):
    """What digesting processors share: the algorithm, named in upper or lower case.

    Raises:
        UnknownNameError: there is no such algorithm.
    """

    OptionsClass = HashingOptions
    Options: HashingOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._new = self._constructor()

    def _constructor(self) -> Callable[[bytes | bytearray | memoryview], Any]:
        name = self.Options.algorithm.lower()
        if name not in _ALGORITHMS:
            raise UnknownNameError(
                "algorithm", name, used_by=self.locate_address(), known=_ALGORITHMS
            )
        new: Callable[..., Any] = getattr(hashlib, name)
        if name in _BLAKE2_BYTES:
            size = min(self.Options.digest_size, _BLAKE2_BYTES[name])
            return lambda data: new(data, digest_size=size)
        return lambda data: new(data, usedforsecurity=False)

    def digest(self, event: Event) -> bytes:
        """Return the digest of bytes; anything else is a `ProcessingError`."""
        if not isinstance(event, bytes | bytearray | memoryview):
            raise ProcessingError(f"{self.Id}: expected bytes, got {type(event).__name__}")
        digest: bytes = self._new(event).digest()
        return digest


class HashingProcessor(HashingBaseProcessor):
    """Turn bytes into their digest, as bytes."""

    def process(self, context: Context, event: Event) -> bytes:
        return self.digest(event)


class CoHashingProcessor(HashingBaseProcessor):
    """Put the digest of bytes into `context["hash"]` and pass them on as they are."""

    def process(self, context: Context, event: Event) -> Event:
        context["hash"] = self.digest(event)
        return event
