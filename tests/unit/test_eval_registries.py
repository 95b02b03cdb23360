"""A benchmark takes one file and one line in a registry, and so does an evaluation method."""

from __future__ import annotations

import importlib
import sys

import pytest

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval import BENCHMARKS, METHODS, EvalConfig, evaluate_benchmark, load_benchmark
from agentcvr_graph.eval.report import write_run_report
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import write_scripts

BENCHMARK = """
from agentcvr_graph.eval import Benchmark
from agentcvr_graph.scripts.library import ScriptLibrary


def load(data, videos=None):
    questions = tuple(script.as_question() for script in ScriptLibrary(data))
    return Benchmark("toy", questions, averages={"everything": ("CC", "PSS")})
"""
METHOD = """

from agentcvr_graph.eval.methods.base import GraphMethod
from agentcvr_graph.graph.builder import create_cvr_graph


def make(resources):
    graph = create_cvr_graph(resources.master, resources.perception).compile()
    return GraphMethod(graph, resources.config.context.model_copy(update={"max_turns": 3}))
"""


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """Register a toy benchmark and a toy method: one file and one registry line each."""
    (tmp_path / "toy_benchmark.py").write_text(BENCHMARK)
    (tmp_path / "toy_method.py").write_text(METHOD)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(BENCHMARKS, "toy", importlib.import_module("toy_benchmark").load)
    monkeypatch.setitem(METHODS, "toy-method", importlib.import_module("toy_method").make)
    yield
    for name in ("toy_benchmark", "toy_method"):
        sys.modules.pop(name)


async def test_a_toy_benchmark_and_a_toy_method_run_in_swap_mode(toys, tmp_path):
    scripts = tmp_path / "scripts.jsonl"
    write_scripts(make_scripts({"CC": 2, "PSS": 2}), scripts)
    toy = load_benchmark("toy", scripts)
    config = EvalConfig(methods=("toy-method", "blind"), scripts=str(scripts))
    run = await evaluate_benchmark(toy, config, tmp_path / "run")
    assert len(run.rows()) == 8
    assert {(line.method, line.name) for line in run.summary() if line.average_of} == {
        ("toy-method", "everything"),
        ("blind", "everything"),
    }
    assert max(row.turns for row in run.rows() if row.method == "toy-method") <= 3
    page = write_run_report(run).read_text()
    assert "toy-method" in page and "everything" in page


async def test_error_messages_list_what_is_registered(toys, tmp_path):
    with pytest.raises(InputError, match=r"Choose one of: .*own, toy\."):
        load_benchmark("unknown", tmp_path)
    scripts = tmp_path / "scripts.jsonl"
    write_scripts(make_scripts({"CC": 1}), scripts)
    with pytest.raises(InputError, match="toy-method"):
        await evaluate_benchmark(load_benchmark("toy", scripts), EvalConfig(methods=("unknown",)), tmp_path / "run")
