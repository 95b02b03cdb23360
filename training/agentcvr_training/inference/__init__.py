"""Engines: sample the turns of many live graphs in batches. `base.py` has the contract."""
