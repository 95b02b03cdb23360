from .benchmarks import BENCHMARKS, Benchmark, load_benchmark
from .compare import Comparison, compare
from .methods import METHODS, EvalConfig
from .rows import Row
from .run import EvalRun, evaluate_benchmark, scripted_questions
from .runner import Totals

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
