"""Where lookups get their content from. Importing it registers the providers by URL scheme."""

from bspump.abc.lookup import Lookup

from .cache import AgingCache
from .file import FileBatchLookupProvider
from .http import HTTPBatchLookupProvider
from .keyed import Answer, KeyedLookup, KeyedLookupOptions

__all__ = [
    "AgingCache",
    "Answer",
    "FileBatchLookupProvider",
    "HTTPBatchLookupProvider",
    "KeyedLookup",
    "KeyedLookupOptions",
]

Lookup.Providers["file"] = FileBatchLookupProvider
Lookup.Providers["http"] = Lookup.Providers["https"] = HTTPBatchLookupProvider
