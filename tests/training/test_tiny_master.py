"""The master that ships: it loads by its name, answers its own kind of worlds, and its figures are the recipe's."""

from __future__ import annotations

import asyncio
import json
import statistics
from pathlib import Path

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.answers import score_answer
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.providers.tiny import TINY
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from training.recipes.tiny.summary import table

UNSEEN = 950_000
"""Scripts from here on were neither trained on nor held out."""
RESULTS = Path("training/recipes/tiny/results/tiny.json")


def test_it_is_small_and_holds_no_pickle():
    names = {path.suffix for path in TINY.iterdir()}
    assert names == {".json", ".jinja", ".safetensors"}
    assert sum(path.stat().st_size for path in TINY.iterdir()) <= 20e6


async def test_it_looks_for_itself_and_answers_its_own_kind_of_worlds():
    scripts = list(make_scripts({"PEA": 6, "PSS": 6, "NUM": 6}, UNSEEN))
    graph = create_cvr_graph(
        resolve_chat_model("tiny"), ScriptedPerception(ScriptLibrary.of(scripts), "fitted")
    ).compile()

    async def ask(script):
        output = await graph.ainvoke(as_input(script.as_question()), context=CVRContext())
        answer = output["answer"]
        return score_answer(script.kind, answer.value, script.key) if answer else 0.0

    scores = await asyncio.gather(*map(ask, scripts))
    assert statistics.fmean(scores) >= 0.5


def test_the_readme_shows_the_figures_of_the_recipe():
    figures = json.loads(RESULTS.read_text())
    assert table(figures) in Path("training/README.md").read_text()
    assert set(figures["accuracy"]) == {"sft", "grpo", "offline", "blind", "scripted_twin", "live"}
    assert set(figures["interval"]) == set(figures["accuracy"])
