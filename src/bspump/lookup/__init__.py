"""Lookups: tables and remote systems that enrich events, and the processors that do it."""

from bspump.clients.lookups import (
    Answer,
    FileBatchLookupProvider,
    HTTPBatchLookupProvider,
    KeyedLookup,
)

from .dictionary import DictionaryLookup
from .dns import DNSLookup
from .enricher import AsyncLookupEnricher, LookupEnricher
from .ip_geo import IPGeoLookup
from .maxmind import MaxMindLookup

__all__ = [
    "Answer",
    "AsyncLookupEnricher",
    "DNSLookup",
    "DictionaryLookup",
    "FileBatchLookupProvider",
    "HTTPBatchLookupProvider",
    "IPGeoLookup",
    "KeyedLookup",
    "LookupEnricher",
    "MaxMindLookup",
]
