"""Run a policy from a folder on scripts, without a trainer."""

from __future__ import annotations

import pytest
from agentcvr_training.config.settings import Settings
from agentcvr_training.rollout.episodes import RolloutTask
from agentcvr_training.rollout.runner import run_policy

from agentcvr_graph.errors import SetupError
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from tests.support.tiny_runs import ACTIONS, settings_of, trained_speaker


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    folder = tmp_path_factory.mktemp("rollouts")
    return Settings.model_validate(settings_of(trained_speaker(), folder / "out"))


async def played(settings, *, seed=0, **how):
    scripts, _ = settings.load_scripts()
    tasks = [RolloutTask(script, seed + n) for n, script in enumerate(scripts)]
    episodes = await run_policy(settings, tasks, ScriptedPerception(ScriptLibrary.of(scripts)), **how)
    assert [episode.script.id for episode in episodes] == [script.id for script in scripts]
    return episodes


def said(episodes):
    return [[row.completion_ids for row in episode.rows] for episode in episodes]


async def test_equal_seeds_give_equal_turns_and_different_seeds_do_not(settings):
    first, again = await played(settings), await played(settings, live_graphs=2)
    assert said(first) == said(again) != said(await played(settings, seed=50))
    assert all(episode.reward is not None and episode.rows[0].sampled for episode in first)


async def test_at_temperature_0_the_seed_has_no_effect(settings):
    ended = []
    greedy = await played(settings, temperature=0.0, on_episode=ended.append)
    assert said(greedy) == said(await played(settings, seed=50, temperature=0.0))
    assert len(ended) == len(greedy) == 10
    (turn, *_) = greedy[0].trajectory.turns
    assert turn.thought in ("", *ACTIONS)


async def test_a_missing_model_folder_is_named_in_the_error(settings):
    gone = settings.model_copy(update={"model": settings.model.model_copy(update={"path": "./nowhere"})})
    with pytest.raises(SetupError, match="nowhere"):
        await played(gone)
