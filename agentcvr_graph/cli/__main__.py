"""Entry point of `python -m agentcvr_graph.cli`."""

from agentcvr_graph.cli import main

main()
