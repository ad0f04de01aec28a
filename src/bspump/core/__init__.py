"""The engine: what makes parts run. The only place with tasks."""
