"""`python -m agentcvr_training grpo CONFIG`: `agentcvr train` for launchers that start a module."""

from agentcvr_graph.cli.console import run_app
from agentcvr_training.commands import EXTRA, app

if __name__ == "__main__":
    run_app(app, EXTRA)
