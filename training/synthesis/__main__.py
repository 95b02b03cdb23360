"""`python -m training.synthesis` is `agentcvr scripts make`, with the same options."""

from __future__ import annotations

import sys

from agentcvr_graph.cli import main

sys.argv[1:1] = ["scripts", "make"]
main()
