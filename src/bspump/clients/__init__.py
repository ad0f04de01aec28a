"""Thin asynchronous clients and servers that several parts need."""
