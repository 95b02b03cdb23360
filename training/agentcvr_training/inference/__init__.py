"""Engines: how the turns of many live graphs are sampled together. See `base.py` for the contract."""
