"""Adapters to training engines of other projects; each is imported by the engine that it serves."""
