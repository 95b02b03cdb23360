"""Adapters that make vision, audio and chat models of other libraries and servers; the providers return them."""
