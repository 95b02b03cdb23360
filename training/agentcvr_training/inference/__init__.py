"""Engines: sample the turns of many live graphs together. `base.py` has the contract."""
