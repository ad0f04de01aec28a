"""Addresses, under the name that older programs use."""

from __future__ import annotations

from bspump.clients.sockets.address import parse_address

__all__ = ["parse_address"]
