"""Parts of general use: parsers and serialisers, fields, routers, aggregation, printing."""

from __future__ import annotations

from .aggregator import (
    AggregationStrategy,
    Aggregator,
    ListAggregationStrategy,
    ListEventAggregationStrategy,
    StringAggregationStrategy,
)
from .collecting import ListSink
from .fields import FieldRemover, FieldRenamer, FieldSelector, FlattenDictProcessor
from .grok import GrokParser
from .internal import DirectSource, InternalSource
from .iterator import IteratorGenerator, IteratorSource
from .json_parsers import (
    BytesJsonParser,
    CySimdJsonParser,
    JsonBytesToDictParser,
    JsonToDictParser,
    StdJsonToDictParser,
)
from .json_serializers import (
    DictToJsonBytesParser,
    DictToJsonParser,
    JsonLinesSerializer,
    JsonSerializer,
    StdDictToJsonParser,
)
from .linking import LinkedSource, RouterMixIn
from .mapping import (
    MappingItemsGenerator,
    MappingItemsProcessor,
    MappingKeysGenerator,
    MappingKeysProcessor,
    MappingTransformator,
    MappingValuesGenerator,
    MappingValuesProcessor,
)
from .null import NullSink
from .observing import RateLogger, Sampler
from .printing import (
    PPrintContextProcessor,
    PPrintProcessor,
    PPrintSink,
    PrintContextProcessor,
    PrintProcessor,
    PrintSink,
)
from .routing import RouterProcessor, RouterSink
from .setting import FieldCaster, FieldExploder, FieldSetter
from .tee import TeeProcessor, TeeSource
from .text import BytesToStringParser, HexlifyProcessor, StringToBytesParser
from .timezone import TimeZoneNormalizer

__all__ = [
    "AggregationStrategy",
    "Aggregator",
    "BytesJsonParser",
    "BytesToStringParser",
    "CySimdJsonParser",
    "DictToJsonBytesParser",
    "DictToJsonParser",
    "DirectSource",
    "FieldCaster",
    "FieldExploder",
    "FieldRemover",
    "FieldRenamer",
    "FieldSelector",
    "FieldSetter",
    "FlattenDictProcessor",
    "GrokParser",
    "HexlifyProcessor",
    "InternalSource",
    "IteratorGenerator",
    "IteratorSource",
    "JsonBytesToDictParser",
    "JsonLinesSerializer",
    "JsonSerializer",
    "JsonToDictParser",
    "LinkedSource",
    "ListAggregationStrategy",
    "ListEventAggregationStrategy",
    "ListSink",
    "MappingItemsGenerator",
    "MappingItemsProcessor",
    "MappingKeysGenerator",
    "MappingKeysProcessor",
    "MappingTransformator",
    "MappingValuesGenerator",
    "MappingValuesProcessor",
    "NullSink",
    "PPrintContextProcessor",
    "PPrintProcessor",
    "PPrintSink",
    "PrintContextProcessor",
    "PrintProcessor",
    "PrintSink",
    "RateLogger",
    "RouterMixIn",
    "RouterProcessor",
    "RouterSink",
    "Sampler",
    "StdDictToJsonParser",
    "StdJsonToDictParser",
    "StringAggregationStrategy",
    "StringToBytesParser",
    "TeeProcessor",
    "TeeSource",
    "TimeZoneNormalizer",
]
