"""`agentcvr` and `python -m agentcvr_graph`.

Nothing is imported at the top: the processes that decode videos import the main module of the program again.
"""


def main() -> None:
    """Entry point."""
    from agentcvr_graph.cli import main as run

    run()


if __name__ == "__main__":
    main()
