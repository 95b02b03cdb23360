"""The shipped tiny master loads by name and answers tours of its tasks; the README shows the results of the recipe."""

from __future__ import annotations

import asyncio
import json
import statistics
from pathlib import Path

import pytest
from agentcvr_training.rewards import REWARDS

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.answers import score_of
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.providers.in_process import trained_turns
from agentcvr_graph.models.providers.tiny import TINY
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from training.recipes.tiny.constancy import constancy, report
from training.recipes.tiny.recipe import Scale, recipe_of, settings_of
from training.recipes.tiny.summary import Measures, measured_alike, table

UNSEEN = 950_000
"""First seed of scripts that were neither trained on nor held out."""
LEVEL = LEVELS["normal"].with_settings({"videos": 3, "scenes": 6})
LEAST = 0.75
"""Share of right answers that the shipped policy has at least; chance is 0.28."""
TOURS = Path("training/recipes/tiny/configs/tours.yaml")
RESULTS = Path("training/recipes/tiny/results/tiny.json")


def test_the_shipped_model_is_small_and_contains_no_pickle():
    names = {path.suffix for path in TINY.iterdir()}
    assert names == {".json", ".jinja", ".safetensors"}
    assert sum(path.stat().st_size for path in TINY.iterdir()) <= 20e6


def test_the_shipped_policy_states_the_turns_of_its_training():
    settings = settings_of(TOURS, Path("runs/none"), 0)
    assert trained_turns(TINY) == settings.context.max_turns == 6


@pytest.fixture(scope="module")
def tours():
    """24 questions that no training and no measurement uses."""
    tasks = settings_of(TOURS, Path("runs/none"), 0).scripts.tasks
    return list(make_scripts(dict.fromkeys(tasks, 8), UNSEEN, LEVEL, "held-out"))


async def test_the_tiny_master_answers_scripts_of_its_tasks(tours):
    perception = ScriptedPerception(ScriptLibrary.of(tours), "fitted")
    graph = create_cvr_graph(resolve_chat_model("tiny"), perception).compile()

    async def ask(script):
        output = await graph.ainvoke(as_input(script.as_question()), context=CVRContext())
        return score_of(output["answer"], script.key)

    scores = await asyncio.gather(*map(ask, tours))
    assert statistics.fmean(scores) >= LEAST


def test_no_constant_answer_is_as_good(tours):
    """Even one that knows the most common key of each task: 4, 6 and 3 of 8 questions."""
    by_task = {script.task: [str(other.key) for other in tours if other.task == script.task] for script in tours}
    assert [max(map(keys.count, keys)) for keys in by_task.values()] == [4, 6, 3]
    assert LEAST - 0.15 > (4 + 6 + 3) / 24


def test_the_readme_states_how_constant_the_policy_is():
    seeds = [Measures.read(path) for path in sorted(RESULTS.with_suffix("").glob("seed-*.json"))]
    rows = constancy(seeds)
    assert (sum(row.same for row in rows), sum(row.episodes for row in rows)) == (777, 900)
    readme = " ".join(Path("training/README.md").read_text().split())
    assert "777 of 900 episodes have the most common pair of turns and frames of their task and seed" in readme
    longest_s = max(question.audio_s for one in seeds for question in one.of("grpo"))
    assert f"the longest sound of an episode is {longest_s:.0f} s of a budget of 7,200 s" in readme
    assert "777 of 900 episodes have" in report(seeds) and "325 s of a budget of 7,200 s" in report(seeds)


def test_the_shipped_results_were_made_with_the_current_recipe():
    """`make train-tiny` combines seeds only if their recipes are equal."""
    config = Path("training/recipes/tiny/configs/tiny.yaml")
    recipe = recipe_of(settings_of(config, Path("runs/none"), 0), Scale())
    assert [one.seed for one in measured_alike(RESULTS.with_suffix(""), recipe)] == [0, 1, 2]


def test_the_readme_lists_the_rewards():
    readme = Path("training/README.md").read_text()
    assert all(f"| {name} | {term.weight} |" in readme for name, term in REWARDS.items())


def test_the_readme_shows_the_shipped_results():
    figures = json.loads(RESULTS.read_text())
    assert table(figures) in Path("training/README.md").read_text()
    assert set(figures["accuracy"]) == {"sft", "grpo", "offline", "blind", "scripted_live", "live"}
    assert set(figures["interval"]) == set(figures["accuracy"])
