"""Shared code of the clients of model servers: API keys, connections and the translation of errors."""
