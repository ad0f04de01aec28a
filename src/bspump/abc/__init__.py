"""The contracts: what parts are, and what they may rely on. Everything else builds on these."""
