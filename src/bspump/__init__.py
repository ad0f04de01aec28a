"""bspump: a real-time stream processor. A Pipeline is a class with one `build()`.

The names below are imported when they are used, so `import bspump` costs next to nothing and
needs none of the optional libraries.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__build__ = "release"

if TYPE_CHECKING:
    from .abc.capabilities import Can
    from .abc.connection import Connection
    from .abc.errors import (
        ConfigError,
        NotConnectedError,
        PartialWriteError,
        ProcessingError,
        PumpError,
        RejectedError,
        TransientError,
    )
    from .abc.keyed import KeyedProcessor, Timer
    from .abc.lookup import AsyncLookup, Lookup, MappingLookup
    from .abc.options import Duration, Options, Size
    from .abc.processor import AsyncProcessor, Generator, Processor
    from .abc.sink import Batch, BatchSink, BatchSinkOptions, Sink
    from .abc.source import Chunk, PullOptions, PullSource, Source, TriggerSource
    from .core.application import BSPumpApplication
    from .core.pipeline import Pipeline
    from .core.pubsub import subscribe
    from .core.service import BSPumpService
    from .fileloader import load_json_file
    from .lookup.dictionary import DictionaryLookup

_WHERE = {
    "abc.anomaly": ["Anomaly"],
    "abc.capabilities": ["Can"],
    "abc.connection": ["Connection"],
    "abc.errors": [
        "ConfigError",
        "NotConnectedError",
        "PartialWriteError",
        "ProcessingError",
        "PumpError",
        "RejectedError",
        "TransientError",
    ],
    "abc.keyed": ["KeyedProcessor", "Timer"],
    "abc.lookup": ["AsyncLookup", "Lookup", "MappingLookup"],
    "abc.options": ["Duration", "Options", "Size"],
    "abc.processor": ["AsyncProcessor", "Generator", "Processor"],
    "abc.sink": ["Batch", "BatchSink", "BatchSinkOptions", "Sink"],
    "abc.source": ["Chunk", "PullOptions", "PullSource", "Source", "TriggerSource"],
    "analyzer.analyzer": ["Analyzer"],
    "core.application": ["BSPumpApplication"],
    "core.pipeline": ["Pipeline"],
    "core.pubsub": ["subscribe"],
    "core.service": ["BSPumpService"],
    "fileloader": ["load_json_file"],
    "lookup.dictionary": ["DictionaryLookup"],
    "matrix.matrix": ["Matrix"],
    "matrix.named": ["NamedMatrix"],
    "matrix.persistent": ["PersistentMatrix", "PersistentNamedMatrix"],
    "model.model": ["Model"],
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "Analyzer",
    "Anomaly",
    "AsyncLookup",
    "AsyncProcessor",
    "BSPumpApplication",
    "BSPumpService",
    "Batch",
    "BatchSink",
    "BatchSinkOptions",
    "Can",
    "Chunk",
    "ConfigError",
    "Connection",
    "DictionaryLookup",
    "Duration",
    "Generator",
    "KeyedProcessor",
    "Lookup",
    "MappingLookup",
    "Matrix",
    "Model",
    "NamedMatrix",
    "NotConnectedError",
    "Options",
    "PartialWriteError",
    "PersistentMatrix",
    "PersistentNamedMatrix",
    "Pipeline",
    "ProcessingError",
    "Processor",
    "PullOptions",
    "PullSource",
    "PumpError",
    "RejectedError",
    "Sink",
    "Size",
    "Source",
    "Timer",
    "TransientError",
    "TriggerSource",
    "load_json_file",
    "subscribe",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    elif name.startswith("_"):
        raise AttributeError(name)
    else:
        # `import bspump` and then `bspump.common.NullSink` works, as it did in the original.
        try:
            value = importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
