"""Budgets drawn for each question: the generations of a group share one, and the master reads it."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from agentcvr_training.config.settings import load_settings
from agentcvr_training.demonstrations import demonstrate
from agentcvr_training.inference.base import Sampling
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.trl_rollout import GraphRollout

from agentcvr_graph import CVRContext
from agentcvr_graph.errors import InputError
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.budgets import SHARES, full_cost
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.testing import FakeMaster, answer, turn
from tests.support.tiny_models import tokenizer

SCRIPTS = list(make_scripts({"SPOT": 3}, 0, LEVELS["easy"]))


def rollout(**options):
    form = ChatFormat(tokenizer())
    scripts = {script.id: script for script in SCRIPTS}
    return GraphRollout(scripts, None, form, CVRContext(), Sampling(), lambda trainer: None, 1000, **options)


def tasks(step=0, process=0, **options):
    """Return the tasks of a batch of three scripts with four generations each."""
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(process_index=process), state=SimpleNamespace(global_step=step)
    )
    prompts = [script.id for script in SCRIPTS for _ in range(4)]
    return rollout(**options)._training_tasks(prompts, trainer)


def test_a_group_has_one_budget_and_groups_differ():
    shares = [task.budget_share for task in tasks(budget_shares=SHARES)]
    groups = [set(shares[n : n + 4]) for n in range(0, 12, 4)]
    assert [len(group) for group in groups] == [1, 1, 1]
    assert len(set(shares)) == 3
    assert len({task.seed for task in tasks(budget_shares=SHARES)}) == 12
    assert shares == [task.budget_share for task in tasks(process=1, budget_shares=SHARES)]
    assert shares != [task.budget_share for task in tasks(step=1, budget_shares=SHARES)]


def test_a_held_out_script_has_the_same_budget_at_every_evaluation():
    prompts = [script.id for script in SCRIPTS]
    first, second = (rollout(budget_shares=SHARES)._held_out_tasks(prompts) for _ in range(2))
    assert [task.budget_share for task in first] == [task.budget_share for task in second]
    assert len({task.budget_share for task in first}) == 3


def test_without_shares_the_budgets_are_those_of_the_settings():
    assert {task.budget_share for task in tasks()} == {None}
    assert tasks()[0].settings(CVRContext(max_frames=7)).max_frames == 7


def test_a_task_gets_its_share_of_the_full_cost():
    task = tasks(budget_shares=(0.5, 0.5))[0]
    context = task.settings(CVRContext())
    full = full_cost(task.script)
    assert (context.max_frames, context.max_audio_s) == (round(full.frames / 2), round(full.audio_s / 2, 1))


async def test_the_master_reads_the_budget_of_its_question():
    master = FakeMaster(turns=[turn("", answer("A")) for _ in range(9)])
    perception = ScriptedPerception(ScriptLibrary.of(SCRIPTS))
    context = CVRContext(min_evidence=0)
    found = [one async for one in demonstrate(master, perception, SCRIPTS, context, budget_shares=SHARES)]
    frames = [
        int(re.search(r"left: .*?(\d+) frames", str(message.content))[1])
        for messages in master.seen
        for message in messages
        if message.type == "human"
    ]
    assert len(found) == 3
    assert len(set(frames)) == 3
    assert all(0.15 * 60 <= count <= max(full_cost(script).frames for script in SCRIPTS) for count in frames)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("[0.5, 0.2]", r"two shares, the smaller one first"),
        ("[0, 1]", r"rollout\.budget_shares\.0: .*greater than 0"),
        ("[0.2, 1.5]", r"rollout\.budget_shares\.1: .*less than or equal to 1"),
    ],
)
def test_wrong_shares_are_named(value, complaint, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        f"output: {tmp_path}\nmodel: {{path: x}}\nscripts: {{tasks: [SPOT], each: 1}}\n"
        f"rollout: {{budget_shares: {value}}}\n"
    )
    with pytest.raises(InputError, match=complaint):
        load_settings(path)


def test_scripts_of_a_configuration_take_a_wording_and_difficulty_settings(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        f"output: {tmp_path}\nmodel: {{path: x}}\n"
        "scripts: {tasks: [SPOT], each: 2, difficulty_settings: {videos: 3, scenes: 6}}\n"
        "held_out: {tasks: [SPOT], each: 2, seed: 50, phrasing: held-out}\n"
    )
    scripts, held_out = load_settings(path).load_scripts()
    assert [len(script.videos) for script in scripts] == [3, 3]
    wanted = list(make_scripts({"SPOT": 2}, 50, LEVELS["normal"], "held-out"))
    assert [script.question for script in held_out] == [script.question for script in wanted]
