"""Files: sources that rename what they read, sources with positions, sinks that lose nothing."""

from bspump.clients.lookups import FileBatchLookupProvider

from .abc_source import FileABCSource
from .block_sink import FileBlockSink
from .block_source import FileBlockSource, FileJSONSource
from .csv_sink import FileCSVSink
from .csv_source import FileCSVSource
from .line_source import FileLineSource, FileMultiLineSource
from .sink import FileSink
from .source import FileSource
from .tail import TailSource

__all__ = [
    "FileABCSource",
    "FileBatchLookupProvider",
    "FileBlockSink",
    "FileBlockSource",
    "FileCSVSink",
    "FileCSVSource",
    "FileJSONSource",
    "FileLineSource",
    "FileMultiLineSource",
    "FileSink",
    "FileSource",
    "TailSource",
]
