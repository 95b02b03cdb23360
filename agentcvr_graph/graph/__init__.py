"""The graph: state, nodes, prompts, budget, and functions that run it. `builder.py` assembles it."""
