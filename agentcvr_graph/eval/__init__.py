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
"""

from __future__ import annotations

from agentcvr_graph.eval.benchmarks import BENCHMARKS, Benchmark, load_benchmark
from agentcvr_graph.eval.compare import Comparison, compare
from agentcvr_graph.eval.methods import METHODS, EvalConfig
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.run import EvalRun, evaluate_benchmark, scripted_questions
from agentcvr_graph.eval.runner import Totals

__all__ = [
    "BENCHMARKS",
    "METHODS",
    "Benchmark",
    "Comparison",
    "EvalConfig",
    "EvalRun",
    "Row",
    "Totals",
    "compare",
    "evaluate_benchmark",
    "load_benchmark",
    "scripted_questions",
]
