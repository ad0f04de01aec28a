"""Sockets without blocking: addresses, streams, TLS, and servers of streams and datagrams."""
