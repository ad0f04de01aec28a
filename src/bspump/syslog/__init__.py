"""Syslog: a source for UDP, TCP and TLS, and processors that read and write messages."""

from __future__ import annotations

from .parser import SyslogFormatter, SyslogParser
from .source import SyslogSource

__all__ = ["SyslogFormatter", "SyslogParser", "SyslogSource"]
