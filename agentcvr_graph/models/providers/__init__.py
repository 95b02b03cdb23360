"""Chat, vision and audio models by the library or server that runs them. `registry.py` maps model strings to them."""
