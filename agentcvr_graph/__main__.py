"""Entry point of `agentcvr` and `python -m agentcvr_graph`.

This module imports nothing at the top, because the processes that decode videos import the program's main module again.
"""


def main() -> None:
    """Run the command line."""
    try:
        from agentcvr_graph.cli import main as run
    except KeyboardInterrupt:  # Ctrl-C while the libraries load
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()
