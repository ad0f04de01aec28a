"""TLS contexts of servers and clients, made of the options that say how."""

from __future__ import annotations

import ssl
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from bspump.abc.errors import ConfigError

VerifyMode = Literal["", "CERT_NONE", "CERT_OPTIONAL", "CERT_REQUIRED"]

CertFile = Annotated[str, Meta(description="File with the certificate chain (PEM).")]
KeyFile = Annotated[str, Meta(description="File with the private key; default is in `cert`.")]
KeyPassword = Annotated[str, Meta(description="Password of the private key.")]
CaFile = Annotated[str, Meta(description="File with the authorities that are trusted (PEM).")]
Verify = Annotated[
    VerifyMode,
    Meta(
        description="Whether the peer must show a certificate: `CERT_NONE`, `CERT_OPTIONAL` or"
        " `CERT_REQUIRED`. A server asks for one if `cafile` is set, a client always does."
    ),
]


class TLSSettings(Protocol):
    """The options of a part that can speak TLS."""

    @property
    def cert(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def cafile(self) -> str: ...
    @property
    def verify_mode(self) -> VerifyMode: ...


def server_context(settings: TLSSettings) -> ssl.SSLContext:
    """Return what a server needs; clients are verified if there are authorities to do it by.

    Raises:
        ConfigError: there is no certificate, or a file cannot be used.
    """
    if not settings.cert:
        raise ConfigError("cert: a TLS server needs a certificate, got only a key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    mode = settings.verify_mode or ("CERT_REQUIRED" if settings.cafile else "CERT_NONE")
    if mode != "CERT_NONE" and not settings.cafile:
        raise ConfigError(f"cafile: verify_mode {mode} needs authorities to verify clients by")
    context.verify_mode = ssl.VerifyMode[mode]
    return _load(context, settings)


def client_context(settings: TLSSettings) -> ssl.SSLContext:
    """Return what a client needs; the server and its name are verified unless told not to.

    Raises:
        ConfigError: a file cannot be used.
    """
    context = ssl.create_default_context(cafile=_existing(settings.cafile, "cafile"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.verify_mode not in {"", "CERT_REQUIRED"}:
        context.check_hostname = False
        context.verify_mode = ssl.VerifyMode[settings.verify_mode]
    return _load(context, settings)


def _existing(path: str, option: str) -> str | None:
    if not path:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        raise ConfigError(f"{option}: cannot be used: {path!r}: {error}") from error
    return path


def _load(context: ssl.SSLContext, settings: TLSSettings) -> ssl.SSLContext:
    # A stream that reads never has to write for the protocol's sake.
    context.options |= ssl.OP_NO_RENEGOTIATION
    cafile = _existing(settings.cafile, "cafile")
    if cafile:
        context.load_verify_locations(cafile)
    if settings.cert:
        try:
            # A callable: without a password OpenSSL would ask for it on the terminal.
            context.load_cert_chain(settings.cert, settings.key or None, settings.password.encode)
        except OSError as error:
            raise ConfigError(
                f"cert, key: cannot be used: {settings.cert!r}, {settings.key!r}: {error}"
            ) from error
    return context
