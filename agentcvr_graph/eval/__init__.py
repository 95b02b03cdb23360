"""Evaluation: run the agent and its baselines on the questions of a benchmark and score them by its rules.

    benchmarks/   files -> questions, and the averages that the benchmark reports
    methods/      agent, single pass, blind baseline: a question -> a trajectory
    scoring.py    trajectory -> row, by the scorers of `answers/`; `judge.py` for text
    runner.py     unfinished questions -> an engine (`utils/engines/`) -> the run's folder (`run_folder.py`)
    summary.py    rows -> accuracy with intervals; `compare.py` for two runs; `report/` for the HTML page
    sim_gap/      the sim-to-real gap: the same questions in swap mode and on video

No question is lost: one that fails has a row with the reason, and stays in the denominator.

Example:
    >>> benchmark = load_benchmark("own", Path("questions.csv"))            # doctest: +SKIP
    >>> run = await evaluate_benchmark(benchmark, EvalConfig(), Path("runs/x"))  # doctest: +SKIP
    >>> print(run.summary()[-1].accuracy)                                          # doctest: +SKIP
    72 (61-81)

The public names are listed in `__init__.pyi` and imported on first use, because the command line reads the registries
of benchmarks and methods for its help.
"""

import lazy_loader

# lazy_loader leaves its types open; those of the public names are in the stub.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # pyright: ignore[reportUnknownVariableType]
