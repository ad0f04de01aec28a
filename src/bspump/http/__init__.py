"""HTTP, server-sent events and WebSocket: clients and servers, as sources and sinks."""

from bspump.clients.lookups.http import HTTPBatchLookupProvider

from .client_sink import HTTPClientSink
from .client_source import HTTPABCClientSource, HTTPClientSource
from .client_text_sources import HTTPClientCSVSource, HTTPClientLineSource, HTTPClientTextSource
from .event_stream_source import HTTPEventStreamSource
from .paged_source import HTTPPagedSource
from .server_source import HTTPServerSource
from .web_service_sink import WebServiceSink, WebServiceStreamResponse
from .web_service_source import WebServiceSource
from .websocket_client_source import HTTPClientWebSocketSource
from .websocket_sink import HTTPClientWebSocketSink
from .websocket_source import WebSocketSource

__all__ = [
    "HTTPABCClientSource",
    "HTTPBatchLookupProvider",
    "HTTPClientCSVSource",
    "HTTPClientLineSource",
    "HTTPClientSink",
    "HTTPClientSource",
    "HTTPClientTextSource",
    "HTTPClientWebSocketSink",
    "HTTPClientWebSocketSource",
    "HTTPEventStreamSource",
    "HTTPPagedSource",
    "HTTPServerSource",
    "WebServiceSink",
    "WebServiceSource",
    "WebServiceStreamResponse",
    "WebSocketSource",
]
