"""Evaluation: a benchmark's questions, asked by the agent and by what it is compared with, scored by its own rules.

    benchmarks/   files -> questions that can be asked, and the averages that the benchmark reports
    methods/      agent, single pass, blind: a question -> a trajectory
    scoring.py    trajectory -> row, by the scorers of `answers.py`; `judge.py` for text
    runner.py     what is left -> an engine (`engines.py`, `ray_engine.py`) -> the run's folder (`folder.py`)
    figures.py    rows -> accuracy with intervals; `compare.py` for two sides; `report/` for people

A question is never lost: one that fails has a row that says how, and stays in the denominator.

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
