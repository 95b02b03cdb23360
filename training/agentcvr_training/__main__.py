"""Run `agentcvr train` as a module, for launchers that start one: `python -m agentcvr_training grpo CONFIG`."""

from agentcvr_graph.cli.console import run_app
from agentcvr_training.commands import EXTRA, app

if __name__ == "__main__":
    run_app(app, EXTRA)
