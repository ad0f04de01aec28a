"""Schema registries that speak the REST interface of Confluent's, of version 7."""

from .connection import SchemaRegistryConnection, SchemaRegistryOptions

__all__ = ["SchemaRegistryConnection", "SchemaRegistryOptions"]
