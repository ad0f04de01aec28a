"""Connected sockets: what `context["stream"]` is."""

from __future__ import annotations

from bspump.clients.sockets.stream import Stream, TLSStream

__all__ = ["Stream", "TLSStream"]
