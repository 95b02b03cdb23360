"""The graph: its state, nodes, prompts and budget, and the ways to run it. `builder.py` puts them together."""
